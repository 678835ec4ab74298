;; The small process of the crowd: says that it runs, and waits for ever. It is given descriptor 3, a
;; notification to signal, and 4, one that nobody signals.
(module
  (import "kwast" "notification_signal" (func $signal (param i32 i64) (result i32)))
  (import "kwast" "notification_take" (func $take (param i32 i64 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "sleeping")
  (func (export "_start")
    (if (call $signal (i32.const 3) (i64.const 1)) (then (unreachable)))
    (drop (call $take (i32.const 4) (i64.const -1) (i32.const 16)))))
