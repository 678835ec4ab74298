// The other side of exports.c: the same calls, in the engine that runs this script. The rules are
// written there.

import fs from 'node:fs';

const MASK = (1n << 64n) - 1n;
const hashAdd = (hash, value) => ((hash ^ value) * 0x100000001b3n) & MASK;
let importHash = 0xcbf29ce484222325n;

const f32 = new Float32Array(1);
const f32Bits = new Uint32Array(f32.buffer);
const f64 = new Float64Array(1);
const f64Bits = new BigUint64Array(f64.buffer);

// The bits of a value of wasm type `type`, or null for a NaN.
function bitsOf(type, value) {
    switch (type) {
    case 'i32':
        return BigInt(value >>> 0);
    case 'i64':
        return BigInt.asUintN(64, value);
    case 'f32':
        f32[0] = value;
        return Number.isNaN(value) ? null : BigInt(f32Bits[0]);
    case 'f64':
        f64[0] = value;
        return Number.isNaN(value) ? null : f64Bits[0];
    default:
        return value === null ? 0n : 1n;
    }
}

const zeroOf = type =>
    type === 'i64' ? 0n : type === 'funcref' || type === 'externref' ? null : 0;

function argument(type, position) {
    const number = (BigInt(position) * 0x9e3779b97f4a7c15n) & MASK;
    switch (type) {
    case 'i32':
        return Number(BigInt.asIntN(32, number >> 32n));
    case 'i64':
        return BigInt.asIntN(64, number);
    case 'f32':
        return Math.fround(Math.fround(Number(BigInt.asIntN(32, number >> 40n))) / 16);
    case 'f64':
        return Number(BigInt.asIntN(32, number >> 32n)) / 16;
    default:
        return null;
    }
}

// -- The types, which the JavaScript interface does not give: read from the binary ------------------

function readTypes(bytes) {
    let at = 8;
    const leb = () => {
        let value = 0, shift = 0, byte;
        do {
            byte = bytes[at++];
            value += (byte & 0x7f) * 2 ** shift;
            shift += 7;
        } while (byte & 0x80);
        return value;
    };
    const names = {0x7f: 'i32', 0x7e: 'i64', 0x7d: 'f32', 0x7c: 'f64', 0x70: 'funcref', 0x6f: 'externref'};
    const text = () => {
        const length = leb();
        at += length;
        return Buffer.from(bytes.subarray(at - length, at)).toString();
    };
    const limits = () => {
        const flags = bytes[at++];
        const initial = leb();
        return flags & 1 ? {initial, maximum: leb()} : {initial};
    };
    const types = [], imports = [], funcs = [], exports = [];
    while (at < bytes.length) {
        const id = bytes[at++];
        const end = leb() + at;
        const count = id >= 1 && id <= 7 ? leb() : 0;
        for (let i = 0; i < count; i++) {
            if (id === 1) {
                at++;
                const values = () => Array.from({length: leb()}, () => names[bytes[at++]]);
                types.push({params: values(), results: values()});
            } else if (id === 2) {
                const entry = {module: text(), name: text(), kind: bytes[at++]};
                if (entry.kind === 0) {
                    entry.type = leb();
                    funcs.push(entry.type);
                } else if (entry.kind === 1) {
                    entry.element = names[bytes[at++]];
                    entry.limits = limits();
                } else if (entry.kind === 2) {
                    entry.limits = limits();
                } else {
                    entry.value = names[bytes[at++]];
                    entry.mutable = bytes[at++] === 1;
                }
                imports.push(entry);
            } else if (id === 3) {
                funcs.push(leb());
            } else if (id === 7) {
                exports.push({name: text(), kind: bytes[at++], index: leb()});
            } else {
                break;
            }
        }
        at = end;
    }
    return {types, imports, funcs, exports};
}

// -- Imports ----------------------------------------------------------------------------------------

function importedFunc(type) {
    return (...values) => {
        values.forEach((value, i) => {
            const bits = bitsOf(type.params[i], value);
            importHash = hashAdd(importHash, bits === null ? 0x7ff8n : bits);
        });
        const results = type.results.map(zeroOf);
        return results.length === 0 ? undefined : results.length === 1 ? results[0] : results;
    };
}

function makeImport(info, entry) {
    switch (entry.kind) {
    case 0:
        return importedFunc(info.types[entry.type]);
    case 1:
        return new WebAssembly.Table({...entry.limits, element: entry.element === 'funcref' ? 'anyfunc' : entry.element});
    case 2:
        return new WebAssembly.Memory(entry.limits);
    default:
        return new WebAssembly.Global({value: entry.value, mutable: entry.mutable}, zeroOf(entry.value));
    }
}

// -- Calls ------------------------------------------------------------------------------------------

const trapTexts = [
    [/unreachable/, 'unreachable'],
    [/memory access out of bounds/, 'out of bounds memory access'],
    [/table index is out of bounds|table access out of bounds|table.*out of bounds|element segment out of bounds/,
     'out of bounds table access'],
    [/divide by zero|remainder by zero/, 'integer divide by zero'],
    [/divide result unrepresentable/, 'integer overflow'],
    [/float unrepresentable/, 'invalid conversion'],
    [/null function or function signature mismatch|signature/, 'indirect call'],
    [/Maximum call stack/, 'call stack exhausted'],
];

function trapText(error) {
    if (error instanceof WebAssembly.Exception)
        return 'uncaught exception';
    const found = trapTexts.find(([pattern]) => pattern.test(error.message));
    return found === undefined ? `? ${error.message}` : found[1];
}

function main(path, dump) {
    const bytes = fs.readFileSync(path);
    const info = readTypes(bytes);
    const imports = {};
    for (const entry of info.imports)
        (imports[entry.module] ??= {})[entry.name] = makeImport(info, entry);
    let instance;
    try {
        instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), imports);
    } catch (error) {
        console.log(`refused: ${error.message}`);
        return;
    }
    for (const entry of info.exports) {
        if (entry.kind !== 0)
            continue;
        instance.exports.hangLimitInitializer?.();
        const type = info.types[info.funcs[entry.index]];
        let line;
        try {
            const result = instance.exports[entry.name](...type.params.map(argument));
            const results = type.results.length === 1 ? [result] : result ?? [];
            line = type.results.map((t, i) => {
                const bits = bitsOf(t, results[i]);
                return t.endsWith('ref') ? (bits === 0n ? ' null' : ' ref')
                     : bits === null ? ' nan' : ' ' + bits.toString(16);
            }).join('');
        } catch (error) {
            line = ` trap: ${trapText(error)}`;
        }
        console.log(`${entry.name}:${line}`);
    }
    console.log(`imports: ${importHash.toString(16)}`);
    const memory = instance.exports.memory ?? Object.values(imports).flatMap(Object.values)
        .find(x => x instanceof WebAssembly.Memory);
    let hash = 0n;
    if (memory !== undefined) {
        const words = new Uint32Array(memory.buffer);
        for (let i = 0; i < words.length; i++) {
            if (words[i] !== 0)
                hash = hashAdd(hashAdd(hash, BigInt(4 * i)), BigInt(words[i]));
        }
    }
    console.log(`memory: ${hash.toString(16)}`);
    if (dump !== undefined && memory !== undefined)
        fs.writeFileSync(dump, new Uint8Array(memory.buffer));
}

main(process.argv[2], process.argv[3]);
