/* SPDX-License-Identifier: MIT */
/* extras.c - ways between host and guest beside disks, networks and the terminal. */
#include <stddef.h>
#include <string.h>

#include <libvmm/balloon.h>
#include <libvmm/console.h>
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

int extras_port(struct extras *e, char *text)
{
	char *path = strchr(text, '=');

	if (e->nr_ports == MAX_PORTS)
		return wrong("port", text, "no more ports");
	if (!path || path == text || path[1] == '\0')
		return wrong("port", text, "NAME=PATH");
	*path = '\0';
	e->ports[e->nr_ports].name = text;
	e->ports[e->nr_ports].path = path + 1;
	e->nr_ports++;
	return -1;
}

/* On a device of their own: the size of the console on another is right in every Linux then. */
static int plug_ports(struct vmm *vm, const struct extras *e)
{
	struct vmm_console_named ports[MAX_PORTS] = { { 0 } };
	struct vmm_console_config config = VMM_CONSOLE_CONFIG_INIT;
	int r = 0;

	for (uint32_t i = 0; i < e->nr_ports && r == 0; i++) {
		ports[i].name = e->ports[i].name;
		r = vmm_console_open_unix(e->ports[i].path, &ports[i].backend);
	}
	config.name = "ports";
	config.ports = ports;
	config.nr_ports = e->nr_ports;
	if (r == 0)
		r = vmm_add_console(vm, &config, NULL);
	for (uint32_t i = 0; i < e->nr_ports && r < 0; i++)
		vmm_console_destroy(ports[i].backend);
	return r;
}

int extras_balloon(struct extras *e, const char *text)
{
	e->balloon = strcmp(text, "off") != 0;
	e->balloon_bytes = 0;
	if (!e->balloon || strcmp(text, "on") == 0)
		return -1;
	return size("balloon", text, &e->balloon_bytes);
}

static int plug_balloon(struct vmm *vm, const struct extras *e)
{
	struct vmm_balloon_config config = VMM_BALLOON_CONFIG_INIT;

	config.bytes = e->balloon_bytes;
	return vmm_add_balloon(vm, &config, NULL);
}

const char *extras_plug(struct vmm *vm, const struct extras *e)
{
	if (e->vsock && plug_vsock(vm, e) < 0)
		return "--vsock";
	if (e->nr_ports > 0 && plug_ports(vm, e) < 0)
		return "--port";
	if (e->balloon && plug_balloon(vm, e) < 0)
		return "--balloon";
	return NULL;
}
