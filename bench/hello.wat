;; The fixed hello of the measurements: one line through descriptor 1, and the end. hello.wasm is what
;; wat2wasm makes of it; hello.c is the Linux twin.
(module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  ;; One vector, and the text that it names.
  (data (i32.const 0) "\08\00\00\00" "\06\00\00\00" "hello\n")
  (func (export "_start")
    (if (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16))
      (then (call $proc_exit (i32.const 1))))))
