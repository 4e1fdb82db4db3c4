/// <reference types="vitest/config" />
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// The server that answers /api and /internal while developing: the mock by default, a real Watchfire with WATCHFIRE_URL.
const target = process.env.WATCHFIRE_URL ?? 'http://127.0.0.1:5611';

export default defineConfig({
  plugins: [react()],
  server: { port: 5173, proxy: { '/api': target, '/internal': target, '/mock': target } },
  build: {
    target: 'es2023',
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    chunkSizeWarningLimit: 900,
    rolldownOptions: {
      output: {
        codeSplitting: {
          groups: [
            { name: 'react', test: /node_modules[\\/](react|react-dom|scheduler|use-sync-external-store|clsx|tslib)[\\/]/, priority: 10 },
            { name: 'icons', test: /@tabler[\\/]icons-react/ },
            { name: 'mantine', test: /node_modules[\\/]@mantine|@floating-ui/ },
            { name: 'codemirror', test: /node_modules[\\/](@codemirror|@lezer|style-mod|crelt|w3c-keyname)/ },
            { name: 'graph', test: /node_modules[\\/](@xyflow|@dagrejs|d3-|zustand|classcat)/ },
            { name: 'vendor', test: /node_modules/ },
            { name: 'kit', test: /src[\\/](kit|api|stream)[\\/](?!CodeEditor|SchemaForm)/ },
          ],
        },
      },
    },
  },
  test: { environment: 'node', include: ['src/**/*.test.ts'] },
});
