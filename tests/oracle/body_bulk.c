// Instructions on ranges of memories and tables, and on segments.

#include "tests/oracle/body.h"

static enum value_type memory_address(const struct body *b, u32 memory) {
    return b->plan->memories[memory].type.is64 ? VALUE_I64 : VALUE_I32;
}

void body_bulk_memory(struct body *b) {
    u32 to = entropy_below(b->e, b->plan->memory_count);
    u32 from = entropy_below(b->e, b->plan->memory_count);
    u32 segment = entropy_below(b->e, b->plan->data_count);
    enum value_type a = memory_address(b, to), other = memory_address(b, from);
    u32 choice = entropy_below(b->e, 7);
    if (choice == 6) {
        body_indexed(b, OP_DATA_DROP, segment);
        return;
    }
    body_address(b, a);
    if (choice < 2) {
        body_value(b, VALUE_I32);
        body_small(b, a, 300);
        body_indexed(b, OP_MEMORY_FILL, to);
    } else if (choice < 5) {
        body_address(b, other);
        body_small(b, a == VALUE_I64 && other == VALUE_I64 ? VALUE_I64 : VALUE_I32, 3000);
        body_indexed(b, OP_MEMORY_COPY, to);
        out_unsigned(&b->code, from);
    } else {
        body_small(b, VALUE_I32, 3);
        body_small(b, VALUE_I32, 5);
        body_indexed(b, OP_MEMORY_INIT, segment);
        out_unsigned(&b->code, to);
    }
    body_pop(b, 3);
}

static void table_copy(struct body *b, u32 to) {
    u32 from = entropy_below(b->e, b->plan->table_count);
    if (b->plan->tables[from].type.element != b->plan->tables[to].type.element)
        from = to;
    enum value_type a = body_table_address(b, to), other = body_table_address(b, from);
    body_small(b, a, 6);
    body_small(b, other, 6);
    body_small(b, a == VALUE_I64 && other == VALUE_I64 ? VALUE_I64 : VALUE_I32, 5);
    body_indexed(b, OP_TABLE_COPY, to);
    out_unsigned(&b->code, from);
    body_pop(b, 3);
}

static void table_init(struct body *b, u32 to) {
    u32 segment = entropy_below(b->e, b->plan->elem_count);
    if (b->plan->tables[to].type.element != VALUE_FUNCREF)
        return;
    body_small(b, body_table_address(b, to), 6);
    body_small(b, VALUE_I32, 3);
    body_small(b, VALUE_I32, 4);
    body_indexed(b, OP_TABLE_INIT, segment);
    out_unsigned(&b->code, to);
    body_pop(b, 3);
}

void body_table_op(struct body *b) {
    u32 table = entropy_below(b->e, b->plan->table_count);
    const struct table_type *type = &b->plan->tables[table].type;
    enum value_type address = body_table_address(b, table);
    bool refs = plan_has(b->plan, FEATURE_REFERENCE_TYPES);
    switch (entropy_below(b->e, refs ? 6 : 3)) {
    case 0:
        table_copy(b, table);
        break;
    case 1:
        table_init(b, table);
        break;
    case 2:
        if (entropy_one_in(b->e, 3))
            body_indexed(b, OP_ELEM_DROP, entropy_below(b->e, b->plan->elem_count));
        break;
    case 3:
        body_small(b, address, (u32)type->limits.min);
        body_value(b, type->element);
        body_indexed(b, OP_TABLE_SET, table);
        body_pop(b, 2);
        break;
    case 4:
        body_value(b, type->element);
        body_small(b, address, 3);
        body_indexed(b, OP_TABLE_GROW, table);
        body_pop(b, 2);
        body_push(b, address, true);
        break;
    default:
        body_small(b, address, 8);
        body_value(b, type->element);
        body_small(b, address, 5);
        body_indexed(b, OP_TABLE_FILL, table);
        body_pop(b, 3);
    }
}
