/* SPDX-License-Identifier: MIT */
/*
 * vsock.c - AF_VSOCK of a stock kernel and unix sockets of ours, both ways.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <libvmm/device.h>
#include <libvmm/vsock.h>

#include "files.h"
#include "guest.h"
#include "harness.h"

#define MB	8u
#define BLOCK	65536u

static int open_at(const char *path, const char *suffix, struct sockaddr_un *ret_address)
{
	*ret_address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	CHECK(strlen(path) + strlen(suffix) < sizeof(ret_address->sun_path));
	snprintf(ret_address->sun_path, sizeof(ret_address->sun_path), "%.90s%.16s", path, suffix);
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

/* ---- the host's end of what the guest opens: send back all that comes ---- */

struct echo {
	int listener;
	pthread_t thread;
	uint64_t bytes;		/* of the first connection */
};

static uint64_t echo_one(int fd)
{
	static char block[BLOCK];
	uint64_t bytes = 0;
	ssize_t n;

	while ((n = recv(fd, block, sizeof(block), 0)) > 0) {
		for (ssize_t done = 0; done < n;) {
			ssize_t w = send(fd, block + done, (size_t)(n - done), MSG_NOSIGNAL);

			if (w < 0)
				return bytes;
			done += w;
		}
		bytes += (uint64_t)n;
	}
	return bytes;
}

static void *echo_run(void *data)
{
	struct echo *e = data;
	int fd;

	for (int i = 0; (fd = accept4(e->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0; i++) {
		uint64_t bytes = echo_one(fd);

		if (i == 0)
			__atomic_store_n(&e->bytes, bytes, __ATOMIC_RELEASE);
		close(fd);
	}
	return data;
}

static void echo_start(struct echo *e, const char *path)
{
	struct sockaddr_un address;

	*e = (struct echo){ .listener = open_at(path, "_1234", &address) };
	CHECK(bind(e->listener, (struct sockaddr *)&address, sizeof(address)) == 0);
	CHECK(listen(e->listener, 4) == 0);
	CHECK(pthread_create(&e->thread, NULL, echo_run, e) == 0);
}

static void echo_stop(struct echo *e)
{
	shutdown(e->listener, SHUT_RDWR);
	pthread_join(e->thread, NULL);
	close(e->listener);
}

/* ---- the host's end of what it opens itself ---- */

static void read_exactly(int fd, char *to, size_t len)
{
	for (size_t done = 0; done < len;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n;

		CHECK(poll(&p, 1, (int)(30000 * harness_slow())) > 0);
		n = recv(fd, to + done, len - done, 0);
		CHECK(n > 0);
		done += (size_t)n;
	}
}

static void fill(char *block, uint32_t seed)
{
	for (uint32_t i = 0; i < BLOCK; i++)
		block[i] = (char)(i * 31 + seed);
}

/* Through to the guest's echo, @MB MiB, a block at a time; then the end, from both sides. */
static void ask_guest(const char *path)
{
	static char out[BLOCK], in[BLOCK];
	const char hello[] = "CONNECT 52\n";
	struct sockaddr_un address;
	int fd = open_at(path, "", &address);
	char line[32] = "";

	CHECK(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	CHECK(send(fd, hello, sizeof(hello) - 1, MSG_NOSIGNAL) == sizeof(hello) - 1);
	for (size_t at = 0; at < sizeof(line) - 1 && (at == 0 || line[at - 1] != '\n'); at++)
		read_exactly(fd, line + at, 1);
	CHECK(strncmp(line, "OK ", 3) == 0);
	for (uint32_t i = 0; i < MB * ((1u << 20) / BLOCK); i++) {
		fill(out, i);
		CHECK(send(fd, out, BLOCK, MSG_NOSIGNAL) == BLOCK);
		read_exactly(fd, in, BLOCK);
		CHECK(memcmp(out, in, BLOCK) == 0);
	}
	CHECK(shutdown(fd, SHUT_WR) == 0);
	CHECK(recv(fd, in, 1, 0) == 0);
	close(fd);
}

struct device {
	char *path;
	struct vmm_vsock *vsock;
};

static void plug(struct vmm *vm, void *data)
{
	struct vmm_vsock_unix_config sockets = VMM_VSOCK_UNIX_CONFIG_INIT;
	struct vmm_vsock_config config = VMM_VSOCK_CONFIG_INIT;
	struct device *d = data;

	sockets.path = d->path;
	must(vmm_vsock_open_unix(&sockets, &d->vsock), "open unix sockets");
	config.backend = d->vsock;
	must(vmm_add_vsock(vm, &config, NULL), "socket device");
}

static void both_ways(const void *arg)
{
	struct device device = { .path = files_path("vsock") };
	const struct guest_spec spec = {
		.kernel = arg ? "6.12" : "6.1",
		.transport = arg ? VMM_TRANSPORT_MMIO : VMM_TRANSPORT_PCI,
		.plug = plug,
		.plug_data = &device,
		.words = "test.do=boot,vsock test.mb=8",
	};
	struct vmm_vsock_stats stats = VMM_VSOCK_STATS_INIT;
	struct echo echo;
	struct guest g;
	uint64_t start;

	guest_open(&g, &spec);
	echo_start(&echo, device.path);
	guest_start(&g);
	guest_expect(&g, "boot ", 60);
	guest_expect(&g, "ready vsock", 60);
	CHECK(__atomic_load_n(&echo.bytes, __ATOMIC_ACQUIRE) == MB << 20);
	start = now_ns();
	ask_guest(device.path);
	note("%u MiB to the guest and back in %.2f s", MB, (double)(now_ns() - start) / 1e9);
	guest_expect(&g, "ready hold", 20);
	must(vmm_vsock_stats(device.vsock, &stats), "figures");
	CHECK(stats.connections == 1 && stats.from_guest == 3 && stats.from_host == 1);
	CHECK(stats.refused == 1 && stats.resets == 0 && stats.buffered == 0);
	CHECK(stats.tx_bytes == 2u * MB << 20 && stats.rx_bytes == 2u * MB << 20);
	must(vmm_vsock_transport_reset(device.vsock, 0), "transport reset");
	note("vsock%s", guest_expect(&g, "ok vsock", 20));
	guest_expect(&g, "done", 10);
	guest_ends(&g, VMM_STOP_POWEROFF, 20);
	echo_stop(&echo);
	guest_close(&g);
	free(device.path);
}

/* The guest's program is made for no other architecture. */
#ifdef __x86_64__
#define HAS_PROGRAM	1
#else
#define HAS_PROGRAM	0
#endif

void vsock_add(void)
{
	if (!HAS_PROGRAM)
		return;
	harness_add(&(struct scenario){ "vsock/6.1/pci", both_ways, NULL, 150, true });
	harness_add(&(struct scenario){ "vsock/6.12/mmio", both_ways, "", 150, true });
}
