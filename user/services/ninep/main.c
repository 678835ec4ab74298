// ninep: a directory of the host's, through virtio-9p, as a service.
//
//   ninep SERVER CLAIMS
//
// serves the scheme whose server end is descriptor SERVER. CLAIMS is a channel to the PCI service,
// for a device of this kind (abi/kwast/pci.h).

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/sdk/files.h"
#include "user/services/ninep/nodes.h"
#include "user/services/ninep/transport.h"

int main(int argc, char **argv) {
    struct p9_transport *transport;
    struct file_system *fs;
    if (argc != 3) {
        fprintf(stderr, "usage: ninep SERVER CLAIMS\n");
        return 2;
    }
    enum status status = ninep_transport_open((kwast_handle)atoi(argv[2]), &transport);
    if (status == OK)
        status = nodes_create(transport, &fs);
    if (status != OK) {
        fprintf(stderr, "ninep: %s\n", status_text(status));
        return 1;
    }
    u32 error = files_serve((kwast_handle)atoi(argv[1]), fs);
    fprintf(stderr, "ninep: serving: %s\n", strerror((int)error));
    return 1;
}
