// pci: the machine's PCI functions, for their drivers (abi/kwast/pci.h), and as files to look at.
//
//   pci SERVER MACHINE INIT
//
// serves the scheme whose server end is descriptor SERVER with the machine MACHINE, and tells init
// which functions there are. MACHINE and INIT are -1 where there are none.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi/kwast/init.h"
#include "abi/kwast/pci.h"
#include "base/math.h"
#include "user/services/pci/function.h"
#include "user/services/pci/listing.h"
#include "user/services/pci/space.h"

// Values of channels: those that match have PCI_MATCH_FLAG, functions this one and their number,
// and files neither.
#define FUNCTION_FLAG (1ull << 62)

static kwast_handle server;

// -- Claiming -------------------------------------------------------------------------------------

static bool matches(const struct function *function, u64 match) {
    return !function->is_own && pci_match_has(match, function->vendor, function->device);
}

// The n-th function that matches; NULL: there are not so many.
static struct function *find_match(u64 match, u64 number, u32 *index) {
    for (u32 i = 0; i < functions_count(); i++) {
        if (!matches(function_at(i), match) || number-- != 0)
            continue;
        *index = i;
        return function_at(i);
    }
    return NULL;
}

static enum status claim(u64 match, const struct kwast_request *request,
                         struct kwast_reply *reply) {
    u32 index;
    kwast_handle ready;
    struct function *function = find_match(match, request->words[0], &index);
    if (request->operation != PCI_CLAIM)
        return ERR_UNSUPPORTED;
    if (function == NULL)
        return ERR_NOT_FOUND;
    if (function->is_claimed)
        return ERR_BUSY;
    if (kwast_scheme_pollable(server, FUNCTION_FLAG | index, KWAST_KIND_PLAIN, &reply->handle,
                              &ready) != 0)
        return ERR_LIMIT;
    enum status status = function_claim(function, ready);
    if (status != OK) {
        close((int)reply->handle);
        close((int)ready);
        reply->handle = KWAST_NO_HANDLE;
        return status;
    }
    reply->words[0] = function->place;
    reply->words[1] = (u64)function->device << 16 | function->vendor;
    reply->words[2] = function->class;
    reply->words[3] = function->subsystem;
    return OK;
}

// -- What drivers ask -----------------------------------------------------------------------------

static enum status send_configuration(const struct function *function,
                                      const struct kwast_request *request) {
    u32 words[PCI_CONFIG_BYTES / 4];
    u64 from = request->words[0];
    if (from % PCI_CONFIG_BYTES != 0)
        return ERR_INVALID;
    if (from >= space_bytes(function->place))
        return ERR_NOT_FOUND;
    for (u32 i = 0; i < COUNT_OF(words); i++)
        words[i] = config_read(function->place, (u32)from + 4 * i, 4);
    return kwast_grant_write(server, request->number, 0, 0, words, sizeof words) == 0 ? OK
                                                                                      : ERR_INVALID;
}

static enum status answer_driver(struct function *function, const struct kwast_request *request,
                                 struct kwast_reply *reply) {
    u32 index = (u32)min_u64(request->words[0], UINT32_MAX);
    switch (request->operation) {
    case PCI_CONFIG:
        return send_configuration(function, request);
    case PCI_RANGE:
        return function_resource(function, index, BAR_MEMORY, &reply->handle, reply->words);
    case PCI_PORTS:
        return function_resource(function, index, BAR_PORTS, &reply->handle, reply->words);
    case PCI_INTERRUPT:
        return function_interrupt(function, request->words[0], request->words[1] == PCI_LINE,
                                  &reply->handle, &reply->words[0]);
    case PCI_DMA:
        return function_memory(function, request->words[0], &reply->handle, &reply->words[0]);
    case PCI_START:
        function_start(function);
        return OK;
    case PCI_RESET:
        function_reset(function);
        return OK;
    default:
        return ERR_UNSUPPORTED;
    }
}

static void serve_function(const struct kwast_request *request, struct kwast_reply *reply) {
    u64 index = request->value & ~FUNCTION_FLAG;
    struct function *function = index < functions_count() ? function_at((u32)index) : NULL;
    if (function == NULL || !function->is_claimed)
        reply->answer = ERR_CLOSED;
    else if (request->operation == KWAST_CLOSED)
        function_release(function);
    else
        reply->answer = answer_driver(function, request, reply);
}

static bool serve(void *context, const struct kwast_request *request, const void *bytes,
                  struct kwast_reply *reply) {
    bool is_match = (request->value & PCI_MATCH_FLAG) != 0;
    bool is_function = !is_match && (request->value & FUNCTION_FLAG) != 0;
    if (!is_match && !is_function)
        return files_answer(context, request, bytes, reply);
    for (u32 i = 0; i < request->handle_count; i++)
        close((int)request->handles[i]);
    if (is_function)
        serve_function(request, reply);
    else
        reply->answer = claim(request->value, request, reply);
    return request->operation != KWAST_CLOSED;
}

// -- The start ------------------------------------------------------------------------------------

// Init starts the drivers that match. Without an id: that was all.
static void tell_init(kwast_handle init, u32 id) {
    struct kwast_call call = {.operation = INIT_FOUND, .words = {id}};
    if (init == KWAST_NO_HANDLE)
        return;
    u32 error = kwast_scheme_call(init, &call, -1);
    if (error != 0)
        fprintf(stderr, "pci: init: %s\n", strerror((int)error));
}

int main(int argc, char **argv) {
    struct files files;
    if (argc != 4) {
        fprintf(stderr, "usage: pci SERVER MACHINE INIT\n");
        return 2;
    }
    server = (kwast_handle)atoi(argv[1]);
    kwast_handle machine = (kwast_handle)atoi(argv[2]);
    kwast_handle init = (kwast_handle)atoi(argv[3]);
    u32 error = machine == KWAST_NO_HANDLE ? 0 : functions_init(machine);
    if (error != 0)
        fprintf(stderr, "pci: %s\n", strerror((int)error));
    for (u32 i = 0; i < functions_count(); i++) {
        const struct function *function = function_at(i);
        if (!function->is_own)
            tell_init(init, (u32)function->vendor << 16 | function->device);
    }
    tell_init(init, 0);
    files_init(&files, server, listing_file_system());
    error = kwast_serve(server, serve, &files);
    fprintf(stderr, "pci: serving: %s\n", strerror((int)error));
    return 1;
}
