;; A memory that the module defines itself, even a shared one, is each instance's own: such a module
;; cannot have threads.
(module
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory 1 1 shared)
  (func (export "wasi_thread_start") (param i32 i32) unreachable)
  (func (export "_start")
    (call $exit (i32.ne (call $spawn (i32.const 0)) (i32.const -58)))))
