// Bundles src/ into dist/. Why a bundler at all: loading yargs, execa and zod from node_modules costs a
// command about 180 ms, the same code in a few files about 75 ms, and `bonami run` aims at less than 150.
// libsql stays outside: its native binary is an npm package of its own.
import { chmodSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
rmSync(`${root}dist`, { recursive: true, force: true });
await build({
  absWorkingDir: root,
  entryPoints: [
    'src/main.ts',
    'src/agent.ts',
    'src/host/link/connect-helper.ts',
    'src/host/link/listen-helper.ts',
  ],
  entryNames: '[name]',
  chunkNames: 'chunks/[name]-[hash]',
  outdir: 'dist',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  external: ['libsql'],
  // The AWS SDK's modules are half the size of its CommonJS files, for what is not used can be left out.
  mainFields: ['module', 'main'],
  // Half the bytes is half the time to compile them.
  minify: true,
  keepNames: false,
  alias: { 'string-width': `${root}scripts/lib/string-width.mjs` },
  sourcemap: process.argv.includes('--sourcemap'),
  banner: {
    js: "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);",
  },
  logLevel: 'warning',
});
chmodSync(`${root}dist/main.js`, 0o755);
