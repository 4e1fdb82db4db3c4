// Budgets of the page: what a browser loads before the queue shows, gzip, and the whole bundle.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const dist = join(fileURLToPath(new URL('.', import.meta.url)), '..', 'dist');
const html = readFileSync(join(dist, 'index.html'), 'utf8');
const files = readdirSync(join(dist, 'assets'));
const size = (f) => gzipSync(readFileSync(join(dist, 'assets', f)), { level: 9 }).length;
const first = [...html.matchAll(/assets\/([\w.-]+\.(?:js|css))/g)].map((m) => m[1]);
// The queue's own chunk and what it imports, beyond what index.html names.
const closure = new Set(first);
const visit = (f) => {
  for (const m of readFileSync(join(dist, 'assets', f), 'utf8').matchAll(/from\s*["']\.\/([\w.-]+\.js)["']|import\s*["']\.\/([\w.-]+\.js)["']/g)) {
    const g = m[1] ?? m[2];
    if (!closure.has(g) && files.includes(g)) {
      closure.add(g);
      visit(g);
    }
  }
};
for (const f of [...closure]) if (f.endsWith('.js')) visit(f);
for (const f of files.filter((f) => /^(Queue|Palette)-.*\.js$/.test(f))) {
  closure.add(f);
  visit(f);
}
const kb = (n) => `${(n / 1000).toFixed(1)} kB`;
const sum = (a) => a.reduce((s, f) => s + size(f), 0);
const initial = sum([...closure]);
const editor = sum(files.filter((f) => /^(codemirror|graph|Editor|CodeEditor|GraphView)-.*\.(js|css)$/.test(f)));
const whole = files.reduce((s, f) => s + (/\.woff2$/.test(f) ? readFileSync(join(dist, 'assets', f)).length : size(f)), 0);
const fonts = files.filter((f) => /latin-wght.*woff2$/.test(f)).reduce((s, f) => s + readFileSync(join(dist, 'assets', f)).length, 0);
let bad = 0;
for (const [what, n, max] of [['shell and queue, JS and CSS, gzip', initial, 600_000], ['editor route, gzip', editor, 250_000], ['two fonts first', fonts, 90_000], ['whole bundle, compressed', whole, 4_000_000]]) {
  console.log(`${n <= max ? 'ok  ' : 'OVER'} ${what}: ${kb(n)} of ${kb(max)}`);
  if (n > max) bad = 1;
}
for (const f of [...closure].sort((a, b) => size(b) - size(a)).slice(0, 6)) console.log(`       ${kb(size(f))} ${f}`);
process.exit(bad);
