import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';
import type { Plugin } from 'vite';

/** Where `just ui` finds the gateway. */
const gateway = process.env.SWITCHGEAR_URL ?? 'http://127.0.0.1:4000';

/** Writes the compressed forms of each file beside it: the gateway sends them as they are. */
function compressed(): Plugin {
  let folder = '';
  return {
    name: 'compressed',
    apply: 'build',
    configResolved: (config) => {
      folder = join(config.build.outDir, 'assets');
    },
    closeBundle: () => {
      for (const name of readdirSync(folder)) {
        if (!/\.(js|css|svg)$/.test(name)) continue;
        const body = readFileSync(join(folder, name));
        const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } };
        writeFileSync(join(folder, `${name}.br`), brotliCompressSync(body, quality));
        writeFileSync(join(folder, `${name}.gz`), gzipSync(body, { level: 9 }));
      }
    },
  };
}

export default defineConfig(({ command }) => ({
  base: command === 'build' ? './' : '/ui/',
  plugins: [react(), compressed()],
  resolve: { alias: { '@': join(import.meta.dirname, 'src') } },
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 2000,
    rollupOptions: {
      input: { index: join(import.meta.dirname, 'index.html'), reference: join(import.meta.dirname, 'reference.html') },
      output: {
        manualChunks: (id) =>
          id.includes('commonjsHelpers') ? 'interop' : /node_modules\/(react|react-dom|scheduler|@tanstack\/(react-query|query-core|react-router|router-core|history))\//.test(
            id,
          )
            ? 'base'
            : undefined,
      },
    },
  },
  server: {
    port: 5173,
    proxy: {
      '^/(?!ui/)': {
        target: gateway,
        configure: (proxy) => proxy.on('proxyReq', (asked) => asked.setHeader('origin', gateway)),
      },
    },
  },
  test: { environment: 'jsdom', testTimeout: 30_000, include: ['src/**/*.test.{ts,tsx}'] },
}));
