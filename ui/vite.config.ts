/// <reference types="vitest/config" />
import { readFileSync } from 'node:fs';
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

// The server that answers /api and /internal while developing: the mock by default, a real Watchfire with WATCHFIRE_URL.
const target = process.env.WATCHFIRE_URL ?? 'http://127.0.0.1:5611';

/** The fonts' licence travels with the fonts. */
const fontLicences: Plugin = {
  name: 'font-licences',
  apply: 'build',
  generateBundle() {
    const source = ['inter', 'jetbrains-mono'].map((f) => readFileSync(new URL(`node_modules/@fontsource-variable/${f}/LICENSE`, import.meta.url), 'utf8')).join('\n\n');
    this.emitFile({ type: 'asset', fileName: 'font-licences.txt', source });
  },
};

export default defineConfig({
  plugins: [react(), fontLicences],
  server: { port: 5173, fs: { allow: ['..'] }, proxy: { '/api': target, '/internal': target, '/mock': target } },
  preview: { port: 4173, proxy: { '/api': target, '/internal': target } },
  build: {
    target: 'es2023',
    assetsInlineLimit: 0,
    license: { fileName: 'third-party-licences.md' },
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
            { name: 'yaml', test: /node_modules[\\/]yaml[\\/]/, priority: 5 },
            { name: 'vendor', test: /node_modules/ },
            { name: 'kit', test: /src[\\/](kit|api|stream)[\\/](?!CodeEditor|Diff|SchemaForm|PathPicker|paths|yaml)/ },
          ],
        },
      },
    },
  },
  test: { environment: 'node', include: ['src/**/*.test.ts'] },
});
