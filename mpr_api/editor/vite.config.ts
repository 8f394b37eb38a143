// How the page is built: into dist/, with hashed names, nothing inlined, so that a strict Content-Security-Policy holds.
import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vite'
import { opencvWithoutEval } from './opencv_plugin.ts'

export default defineConfig({
  plugins: [svelte()],
  worker: { format: 'es', plugins: () => [opencvWithoutEval()] },
  base: './',
  build: { outDir: 'dist', assetsInlineLimit: 0, modulePreload: { polyfill: false }, target: 'es2023' },
  server: { proxy: { '/detect': 'http://127.0.0.1:8100' } },
})
