// The other side of the comparison: runs each case that oracle.c wrote, in the engine that runs this
// script, and says what differs. One line of JSON for each case on stdin; what differs goes to
// stdout, and the case's modules to the folder given as argument. The rules for values are written
// in case.c. The last line is the tally.

import fs from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';

const folder = process.argv[2];

// -- Features ---------------------------------------------------------------------------------------

// One small module for each proposal, behind the header, with its bit in the engine's enum feature.
const PROBES = [
    [5, 'reference types', [4, 4, 1, 0x6f, 0, 1]],
    [6, 'vectors', [1, 5, 1, 0x60, 0, 1, 0x7b]],
    [7, 'relaxed vectors', [1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 10, 44, 1, 42, 0,
        0xfd, 12, ...Array(16).fill(0), 0xfd, 12, ...Array(16).fill(0), 0xfd, 0x80, 2, 0x1a, 0x0b]],
    [8, 'tail calls', [1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 10, 6, 1, 4, 0, 0x12, 0, 0x0b]],
    [9, 'extended constants', [6, 9, 1, 0x7f, 0, 0x41, 0, 0x41, 0, 0x6a, 0x0b]],
    [10, 'multiple memories', [5, 5, 2, 0, 0, 0, 0]],
    [11, 'threads', [5, 4, 1, 3, 0, 0]],
    [12, 'exceptions', [1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 10, 6, 1, 4, 1, 1, 0x69, 0x0b]],
    [14, 'memory64', [5, 3, 1, 4, 0]],
];

function probe() {
    const lacking = PROBES.filter(([, , bytes]) =>
        !WebAssembly.validate(new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...bytes])));
    console.log(JSON.stringify({
        v8: process.versions.v8,
        mask: lacking.reduce((mask, [bit]) => mask | 1 << bit, 0),
        names: lacking.map(([, name]) => name),
    }));
}

if (folder === '--probe') {
    probe();
    process.exit(0);
}
const FUEL = 300;

const scratch = new DataView(new ArrayBuffer(8));
const mix = (hash, value) => {
    hash = Math.imul(hash ^ value, 0x01000193);
    return (hash ^ hash >>> 15) >>> 0;
};

// -- Values -----------------------------------------------------------------------------------------

const WORDS = [0, 1, 0xffffffff, 0x7fffffff, 0x80000000, 100, 0xfffffff6, 0x10000];
const FLOATS = [0x3f800000, 0x80000000, 0x7f800000, 0x42c80000, 0xc7000000, 1, 0x7fc00000, 0x4f7fffff];
const DOUBLES = [0x3ff00000, 0x80000000, 0x7ff00000, 0x40590000, 0xc0e00000, 1, 0x7ff80000, 0x43efffff];

function madeValue(type, n) {
    const hash = mix(mix(0x811c9dc5, n), n >>> 3);
    const interesting = (hash & 3) !== 0;
    const at = hash >>> 8 & 7;
    switch (type) {
    case 'i':
        return (interesting ? WORDS[at] : hash) | 0;
    case 'I': {
        const low = interesting ? WORDS[at] : mix(hash, 7);
        const high = interesting ? WORDS[hash >>> 11 & 7] : hash;
        return BigInt.asIntN(64, BigInt(low) | BigInt(high) << 32n);
    }
    case 'f':
        scratch.setUint32(0, FLOATS[at]);
        return scratch.getFloat32(0);
    case 'F':
        scratch.setUint32(0, DOUBLES[at]);
        scratch.setUint32(4, 0);
        return scratch.getFloat64(0);
    case 'x':
        return (hash & 7) === 0 ? null : hash & 7;
    default:
        return null;
    }
}

// The bits of a number as two words, or null for a NaN.
function wordsOf(type, value) {
    switch (type) {
    case 'i':
        return [value >>> 0, 0];
    case 'I':
        return [Number(value & 0xffffffffn), Number(value >> 32n & 0xffffffffn)];
    case 'f':
        scratch.setFloat32(0, value);
        return Number.isNaN(value) ? null : [scratch.getUint32(0), 0];
    case 'F':
        scratch.setFloat64(0, value);
        return Number.isNaN(value) ? null : [scratch.getUint32(4), scratch.getUint32(0)];
    case 'x':
        return [value === null ? 0 : value, 0];
    default:
        return [value === null ? 0 : 1, 0];
    }
}

function textOf(run, type, value) {
    if ('rxe'.includes(type) && value === null)
        return 'null';
    if (type === 'r')
        return run.functionNames.get(value) ?? 'ref';
    if (type === 'e')
        return 'exception';
    const words = wordsOf(type, value);
    if (words === null)
        return 'nan';
    const [low, high] = words;
    return high === 0 ? low.toString(16) : high.toString(16) + low.toString(16).padStart(8, '0');
}

// -- Traps ------------------------------------------------------------------------------------------

// What messages say, as the texts of trap_text().
const TRAPS = [
    [/^unreachable/, 'unreachable'],
    [/memory access out of bounds|data segment.*out of bounds|memory.*out of bounds/, 'out of bounds memory access'],
    [/table index is out of bounds/, 'undefined element'],
    [/table access out of bounds|table.*out of bounds|element segment/, 'out of bounds table access'],
    [/divide by zero|remainder by zero/, 'integer divide by zero'],
    [/divide result unrepresentable/, 'integer overflow'],
    [/float unrepresentable/, 'invalid conversion to integer'],
    [/null function|signature/, 'indirect call type mismatch'],
    [/unaligned/, 'unaligned atomic'],
    [/Atomics\.wait cannot/, 'expected shared memory'],
    [/rethrowing null/, 'null exception reference'],
    [/Maximum call stack/, 'call stack exhausted'],
];

// Texts that the other engine has one of its own for: an overflow in a conversion, which of the two
// an element is wrong for, and which of two faults of one access is seen first.
const ALIKE = [
    ['integer overflow', 'invalid conversion to integer'],
    ['uninitialized element', 'indirect call type mismatch'],
    ['undefined element', 'out of bounds table access'],
    ['unaligned atomic', 'out of bounds memory access'],
];

function trapText(error) {
    if (error instanceof WebAssembly.Exception)
        return 'uncaught exception';
    const found = TRAPS.find(([pattern]) => pattern.test(error.message));
    return found === undefined ? `? ${error.message}` : found[1];
}

function sameText(ours, theirs) {
    if (ours === theirs)
        return true;
    const a = ours.replace(/^trap: /, ''), b = theirs.replace(/^trap: /, '');
    return ALIKE.some(pair => pair.includes(a) && pair.includes(b));
}

// How deep a recursion goes differs, and a vector cannot be given to JavaScript.
const isIncomparable = text => /call stack exhausted|out of memory|type incompatibility/.test(text);

// -- Imports ----------------------------------------------------------------------------------------

function importedFunc(run, signature) {
    const [params, results] = signature.split('>');
    return (...values) => {
        for (let i = 0; i < params.length; i++) {
            const [low, high] = wordsOf(params[i], values[i]) ?? [0x7ff8, 0];
            run.hostHash = mix(mix(run.hostHash, low), high);
        }
        const made = Array.from(results, type => madeValue(type, run.hostCalls++));
        return made.length < 2 ? made[0] : made;
    };
}

const TYPES = {i: 'i32', I: 'i64', f: 'f32', F: 'f64', v: 'v128', r: 'anyfunc', x: 'externref', e: 'exnref'};
const zeroOf = type => type === 'I' ? 0n : 'rxe'.includes(type) ? null : 0;

function makeImport(run, description) {
    const [kind, a, ...rest] = description.split(' ');
    const limits = {initial: Number(rest[0])};
    switch (kind) {
    case 'func':
        return importedFunc(run, a);
    case 'table':
        if (rest.length > 1)
            limits.maximum = Number(rest[1]);
        return new WebAssembly.Table({...limits, element: TYPES[a]});
    case 'memory': {
        const [minimum, maximum] = rest.map(Number);
        return new WebAssembly.Memory({initial: minimum, maximum, shared: a === 'shared'});
    }
    case 'global':
        return new WebAssembly.Global({value: TYPES[a], mutable: rest[0] === 'mutable'}, zeroOf(a));
    default:
        return new WebAssembly.Tag({parameters: Array.from(a.slice(0, -1), type => TYPES[type])});
    }
}

// -- Cases ------------------------------------------------------------------------------------------

class Difference extends Error {}

// True when what follows cannot be compared.
function check(where, ours, theirs) {
    if (isIncomparable(ours) || isIncomparable(theirs))
        return true;
    if (!sameText(ours, theirs))
        throw new Difference(`${where}\n    ours:   ${ours}\n    theirs: ${theirs}`);
    return false;
}

// True when the case ends here.
function load(run, entry, number) {
    let theirs = '';
    try {
        const module = new WebAssembly.Module(Buffer.from(entry.bytes, 'base64'));
        const imports = {};
        WebAssembly.Module.imports(module).forEach((wanted, i) => {
            const linked = wanted.module === 'linked' && run.instances.length !== 0;
            (imports[wanted.module] ??= {})[wanted.name] =
                linked ? run.instances[0].exports[wanted.name] : makeImport(run, entry.imports[i]);
        });
        const instance = new WebAssembly.Instance(module, imports);
        run.instances.push(instance);
        for (const [name, value] of Object.entries(instance.exports)) {
            if (typeof value === 'function' && !run.functionNames.has(value))
                run.functionNames.set(value, `${number}.${name}`);
        }
    } catch (error) {
        const refused = error instanceof WebAssembly.CompileError || error instanceof WebAssembly.LinkError;
        theirs = refused || error instanceof TypeError ? `refused: ${error.message}` : trapText(error);
    }
    if (entry.gives.startsWith('refused') && theirs.startsWith('refused'))
        return true;
    return check(`module ${number}`, entry.gives, theirs) || entry.gives !== '';
}

function call(run, entry) {
    const {exports} = run.instances[entry.m];
    if (exports.hangLimitInitializer !== undefined)
        exports.hangLimitInitializer();
    else if (exports.g0 instanceof WebAssembly.Global)
        exports.g0.value = FUEL;
    const [params, results] = entry.type.split('>');
    let theirs;
    try {
        const values = Array.from(params, (type, i) => madeValue(type, 31 * entry.vector + i));
        const given = exports[entry.name](...values);
        const list = results.length === 1 ? [given] : [...given ?? []];
        theirs = list.map((value, i) => textOf(run, results[i], value)).join(' ');
    } catch (error) {
        theirs = `trap: ${trapText(error)}`;
    }
    return check(`call ${entry.m}.${entry.name} ${entry.type} vector ${entry.vector}`, entry.gives, theirs);
}

function memoryHash(memory) {
    const words = new Uint32Array(memory.buffer);
    let hash = 0x811c9dc5;
    for (let i = 0; i < words.length; i++) {
        if (words[i] !== 0)
            hash = mix(mix(hash, i), words[i]);
    }
    return `${memory.buffer.byteLength.toString(16)} ${hash.toString(16)}`;
}

function tableText(run, table) {
    const texts = [];
    const length = Number(table.length);
    const wide = typeof table.length === 'bigint';
    for (let i = 0; i < length; i++) {
        const value = table.get(wide ? BigInt(i) : i);
        texts.push(textOf(run, typeof value === 'number' ? 'x' : 'r', value));
    }
    return texts.join(' ');
}

function checkState(run, entry) {
    const thing = run.instances[entry.m].exports[entry.name];
    let theirs = '';
    if (entry.type === 'm')
        theirs = memoryHash(thing);
    else if (entry.type === 't')
        theirs = tableText(run, thing);
    else if (entry.type !== 'v' && entry.type !== 'e')
        theirs = textOf(run, entry.type, thing.value);
    else
        return;
    check(`state ${entry.m}.${entry.name}`, entry.is, theirs);
}

// Returns whether all could be compared.
function runCase(data) {
    const run = {instances: [], functionNames: new Map(), hostCalls: 0, hostHash: 0x811c9dc5};
    for (const [number, entry] of data.modules.entries()) {
        if (load(run, entry, number))
            return false;
    }
    for (const entry of data.calls.slice(0, -1)) {
        if (call(run, entry))
            return false;
    }
    if (data.over)
        return false;
    for (const entry of data.state.slice(0, -1))
        checkState(run, entry);
    check('arguments of imports', data.imports, run.hostHash.toString(16));
    return true;
}

function keep(data) {
    const name = data.label.replace(/.*\//, '').replace(/[^A-Za-z0-9.]+/g, '-');
    data.modules.forEach((entry, i) => {
        fs.writeFileSync(path.join(folder, `${name}-${i}.wasm`), Buffer.from(entry.bytes, 'base64'));
    });
    return path.join(folder, name);
}

const tally = {cases: 0, modules: 0, calls: 0, cut: 0, differ: 0};
for await (const line of readline.createInterface({input: process.stdin, crlfDelay: Infinity})) {
    let data;
    try {
        data = JSON.parse(line);
    } catch {
        console.log(`not a whole case: ${line.slice(0, 100)}`);
        tally.differ++;
        break;
    }
    tally.cases++;
    tally.modules += data.modules.length;
    tally.calls += data.calls.length - 1;
    try {
        if (!runCase(data))
            tally.cut++;
    } catch (error) {
        tally.differ++;
        const what = error instanceof Difference ? error.message : error.stack;
        console.log(`differs: ${data.label} (${keep(data)}-*.wasm): ${what}`);
    }
}
console.log(JSON.stringify(tally));
