;; The second instance traps in its start function: that ends the process.
(module
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "env" "memory" (memory 1 1 shared))
  (func $start
    (if (i32.atomic.rmw.add (i32.const 0) (i32.const 1)) (then unreachable)))
  (start $start)
  (func (export "wasi_thread_start") (param i32 i32))
  (func (export "_start")
    (drop (call $spawn (i32.const 0)))
    (loop $forever (br $forever))))
