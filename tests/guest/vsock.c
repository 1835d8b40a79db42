/* SPDX-License-Identifier: MIT */
/*
 * vsock.c - sockets to the host, in the guest under test (busybox knows no AF_VSOCK).
 *
 *   vsock check PORT MB    connect to the host, send MB MiB and the end, and get the same back
 *   vsock refused PORT     connect to the host, which must refuse
 *   vsock echo PORT        accept one connection and send back what comes, up to its end
 *   vsock hold PORT        connect to the host, say so, and wait for the transport's reset
 *
 * Exit status: 0, or 1 with words.
 */
#include <errno.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BLOCK	65536u

static unsigned char block[BLOCK];

static int fail(const char *what)
{
	printf("vsock: %s: %s\n", what, strerror(errno));
	return 1;
}

static unsigned char pattern(uint64_t at)
{
	return (unsigned char)(at ^ at >> 8 ^ at >> 16);
}

static int open_socket(unsigned port, bool listening, struct sockaddr_vm *ret_address)
{
	*ret_address = (struct sockaddr_vm){
		.svm_family = AF_VSOCK, .svm_port = port,
		.svm_cid = listening ? VMADDR_CID_ANY : VMADDR_CID_HOST,
	};
	return socket(AF_VSOCK, SOCK_STREAM, 0);
}

/* A descriptor, or -1 with errno. */
static int dial(unsigned port)
{
	struct sockaddr_vm address;
	int fd = open_socket(port, false, &address);

	return fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -1 : fd;
}

/* Send as much as goes. */
static int send_some(int fd, uint64_t *at, uint64_t bytes)
{
	size_t len = bytes - *at < BLOCK ? bytes - *at : BLOCK;
	ssize_t n;

	for (size_t i = 0; i < len; i++)
		block[i] = pattern(*at + i);
	n = send(fd, block, len, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN ? 0 : -1;
	*at += (uint64_t)n;
	if (*at == bytes && shutdown(fd, SHUT_WR) < 0)
		return -1;
	return 0;
}

static int check(unsigned port, uint64_t bytes)
{
	uint64_t sent = 0, got = 0;
	int fd = dial(port);

	if (fd < 0)
		return fail("connect");
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (sent < bytes)
			p.events |= POLLOUT;
		if (poll(&p, 1, 60000) <= 0)
			return fail("nothing comes and nothing goes");
		if (sent < bytes && (p.revents & POLLOUT) && send_some(fd, &sent, bytes) < 0)
			return fail("send");
		if (!(p.revents & (POLLIN | POLLHUP)))
			continue;
		n = recv(fd, block, BLOCK, 0);
		if (n < 0)
			return fail("recv");
		if (n == 0)
			break;
		for (ssize_t i = 0; i < n; i++) {
			if (block[i] != pattern(got + (uint64_t)i)) {
				errno = EILSEQ;
				return fail("what came back differs");
			}
		}
		got += (uint64_t)n;
	}
	errno = EPIPE;
	return got == bytes && sent == bytes ? 0 : fail("it ended early");
}

static int refused(unsigned port)
{
	if (dial(port) >= 0 || (errno != ECONNRESET && errno != ECONNREFUSED))
		return fail("not refused");
	return 0;
}

static int echo(unsigned port)
{
	struct sockaddr_vm address;
	int listener = open_socket(port, true, &address), fd;
	ssize_t n;

	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listener, 1) < 0)
		return fail("listen");
	printf("GUEST ready vsock\n");
	fflush(stdout);
	fd = accept(listener, NULL, NULL);
	if (fd < 0)
		return fail("accept");
	while ((n = recv(fd, block, BLOCK, 0)) > 0) {
		for (ssize_t done = 0; done < n;) {
			ssize_t w = send(fd, block + done, (size_t)(n - done), MSG_NOSIGNAL);

			if (w < 0)
				return fail("send");
			done += w;
		}
	}
	if (n < 0)
		return fail("recv");
	close(fd);
	return 0;
}

static int hold(unsigned port)
{
	int fd = dial(port);
	ssize_t n;

	if (fd < 0)
		return fail("connect");
	printf("GUEST ready hold\n");
	fflush(stdout);
	n = recv(fd, block, BLOCK, 0);
	/* The latter, when it had happened before. */
	if (n < 0 && (errno == ECONNRESET || errno == ENOTCONN))
		return 0;
	return fail(n < 0 ? "another error" : "no error");
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";
	unsigned port = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;

	if (strcmp(what, "check") == 0 && argc > 3)
		return check(port, strtoull(argv[3], NULL, 10) << 20);
	if (strcmp(what, "refused") == 0)
		return refused(port);
	if (strcmp(what, "echo") == 0)
		return echo(port);
	if (strcmp(what, "hold") == 0)
		return hold(port);
	printf("vsock: check PORT MB, refused PORT, echo PORT or hold PORT\n");
	return 1;
}
