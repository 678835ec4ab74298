// Runs a WASI program under node, the engine that Kwast's results are compared with:
//   node node_wasi.mjs '{"args": [...], "env": {...}, "dirs": {...}}' PROGRAM.wasm
// The exit status is the program's; 134 when it traps, as `kwast run` has it.

import { readFile } from "node:fs/promises";
import { WASI } from "node:wasi";

const [options, path] = process.argv.slice(2);
const { args, env, dirs } = JSON.parse(options);
const wasi = new WASI({ version: "preview1", args, env, preopens: dirs, returnOnExit: true });
try {
  const module = await WebAssembly.compile(await readFile(path));
  const instance = await WebAssembly.instantiate(module, (wasi.getImportObject?.() ?? { wasi_snapshot_preview1: wasi.wasiImport }));
  process.exitCode = wasi.start(instance);
} catch (error) {
  console.error(String(error));
  process.exitCode = error instanceof WebAssembly.RuntimeError || error instanceof RangeError ? 134 : 1;
}
