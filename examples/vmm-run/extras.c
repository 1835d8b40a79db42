/* SPDX-License-Identifier: MIT */
/* extras.c - ways between host and guest beside disks, networks and the terminal. */
#include <stddef.h>
#include <string.h>

#include <libvmm/vsock.h>

#include "extras.h"
#include "values.h"

int extras_vsock(struct extras *e, char *text)
{
	const char *end;
	char *word;

	if (e->vsock)
		return wrong("vsock", text, "only one");
	while ((word = cut_word(text)) != NULL) {
		if (strncmp(word, "cid=", 4) != 0) {
			word[-1] = ',';	/* a part of the path */
			break;
		}
		if (!parse_number(word + 4, 3, UINT32_MAX - 1, &e->vsock_cid, &end) || *end != '\0')
			return wrong("vsock", word, "cid= and a number from 3 to 4294967294");
	}
	e->vsock = text;
	return -1;
}

static int plug_vsock(struct vmm *vm, const struct extras *e)
{
	struct vmm_vsock_unix_config sockets = VMM_VSOCK_UNIX_CONFIG_INIT;
	struct vmm_vsock_config config = VMM_VSOCK_CONFIG_INIT;
	int r;

	sockets.path = e->vsock;
	r = vmm_vsock_open_unix(&sockets, &config.backend);
	if (r < 0)
		return r;
	config.guest_cid = e->vsock_cid;
	r = vmm_add_vsock(vm, &config, NULL);
	if (r < 0)
		vmm_vsock_destroy(config.backend);
	return r;
}

const char *extras_plug(struct vmm *vm, const struct extras *e)
{
	if (e->vsock && plug_vsock(vm, e) < 0)
		return "--vsock";
	return NULL;
}
