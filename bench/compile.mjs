// Compiles a module and prints the CPU seconds which that took, of all threads together:
//   node compile.mjs MODULE.wasm

import { readFileSync } from "node:fs";

const bytes = readFileSync(process.argv[2]);
const before = process.cpuUsage();
const module = new WebAssembly.Module(bytes);
const { user, system } = process.cpuUsage(before);
console.log(JSON.stringify({ seconds: (user + system) / 1e6, exports: WebAssembly.Module.exports(module).length }));
