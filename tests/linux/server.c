/* SPDX-License-Identifier: MIT */
/*
 * server.c - the host's side of the guest's transfers: HTTP, in a thread.
 *
 * The bytes are always the same, so their checksums are known beforehand and an
 * upload, which is what was downloaded, is compared and not summed: that is cheap
 * where everything is emulated. A wrong checksum here would fail every transfer,
 * for the guest sums what it gets.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"
#include "server.h"

#define BLOCK	65536

struct server {
	pthread_t thread;
	int listen_fd, stop_fd;
	uint16_t port;
	uint64_t sent, received;	/* read after the transfers */
	uint8_t pattern[BLOCK];
};

/* The sizes that are asked for, and their checksums. */
static const struct {
	uint64_t bytes;
	const char *sha256;
} sums[] = {
	{ 4 << 20, "024719077c02bd4437dcd017076dc6efa2af713e280a89593900286aeb71af36" },
	{ 64 << 20, "d0999d601501c7ff2cd38a4716ec0e0b6b81abddd4a0eaef903d8bf2a846c42f" },
};

static const char *sum_of(uint64_t bytes)
{
	for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++) {
		if (sums[i].bytes == bytes)
			return sums[i].sha256;
	}
	return NULL;
}

/* Pseudo-random bytes (xorshift64), the same every time. */
static void fill_pattern(uint8_t *pattern)
{
	uint64_t x = 88172645463325252ull;

	for (size_t i = 0; i < BLOCK; i += 8) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		memcpy(pattern + i, &x, 8);
	}
}

/* The block at @offset of the stream: the pattern, with its number in front. */
static void block_at(const struct server *s, uint64_t offset, uint8_t *block)
{
	memcpy(block, s->pattern, BLOCK);
	memcpy(block, &offset, sizeof(offset));
}

/* ---- one connection ---- */

static bool send_all(int fd, const void *data, size_t len)
{
	const char *at = data;

	while (len > 0) {
		ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

		if (n <= 0 && errno != EINTR)
			return false;
		at += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

static void answer(int fd, const char *text)
{
	char response[256];
	int len = snprintf(response, sizeof(response),
			   "HTTP/1.0 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(text), text);

	send_all(fd, response, (size_t)len);
}

static void send_data(struct server *s, int fd, uint64_t bytes)
{
	uint8_t block[BLOCK];
	char head[80];
	uint64_t sent = 0;
	int len = snprintf(head, sizeof(head), "HTTP/1.0 200 OK\r\nContent-Length: %llu\r\n\r\n",
			   (unsigned long long)bytes);

	if (!send_all(fd, head, (size_t)len))
		return;
	for (; sent < bytes; sent += BLOCK) {
		block_at(s, sent, block);
		if (!send_all(fd, block, bytes - sent < BLOCK ? bytes - sent : BLOCK))
			return;
	}
	__atomic_fetch_add(&s->sent, bytes, __ATOMIC_RELAXED);
}

/* Compare the body with the stream. @have bytes of it are in @body already. */
static void take_upload(struct server *s, int fd, uint64_t bytes, const uint8_t *body, size_t have)
{
	uint8_t got[BLOCK], want[BLOCK];
	uint64_t done = 0;
	bool equal = true;

	memcpy(got, body, have);
	while (done < bytes) {
		size_t len = bytes - done < BLOCK ? bytes - done : BLOCK;

		while (have < len) {
			ssize_t n = recv(fd, got + have, len - have, 0);

			if (n <= 0)
				return;
			have += (size_t)n;
		}
		block_at(s, done, want);
		equal = equal && memcmp(got, want, len) == 0;
		done += len;
		have = 0;
	}
	answer(fd, !equal ? "not what was sent" : sum_of(bytes) ? sum_of(bytes) : "no such size");
	if (equal)
		__atomic_fetch_add(&s->received, bytes, __ATOMIC_RELAXED);
}

/* Read to the empty line. Returns the head's length, *@ret_len bytes were read; 0: no request. */
static size_t read_head(int fd, char *head, size_t size, size_t *ret_len)
{
	size_t len = 0;

	while (len < size - 1) {
		ssize_t n = recv(fd, head + len, size - 1 - len, 0);
		char *end;

		if (n <= 0)
			return 0;
		len += (size_t)n;
		head[len] = '\0';
		end = strstr(head, "\r\n\r\n");
		if (end) {
			*ret_len = len;
			return (size_t)(end - head) + 4;
		}
	}
	return 0;
}

static void serve(struct server *s, int fd)
{
	char head[2048], *length;
	unsigned long long bytes;
	size_t len, head_len = read_head(fd, head, sizeof(head), &len);

	if (head_len == 0)
		return;
	length = strcasestr(head, "content-length:");
	if (sscanf(head, "GET /data/%llu ", &bytes) == 1)
		send_data(s, fd, bytes);
	else if (sscanf(head, "GET /sha256/%llu ", &bytes) == 1)
		answer(fd, sum_of(bytes) ? sum_of(bytes) : "no such size");
	else if (strncmp(head, "POST ", 5) == 0 && length &&
		 sscanf(length + 15, "%llu", &bytes) == 1)
		take_upload(s, fd, bytes, (uint8_t *)head + head_len, len - head_len);
}

/* ---- the thread ---- */

static void *server_run(void *data)
{
	struct server *s = data;
	struct pollfd fds[] = {
		{ .fd = s->listen_fd, .events = POLLIN },
		{ .fd = s->stop_fd, .events = POLLIN },
	};

	for (;;) {
		int fd;

		(void)poll(fds, 2, -1);
		if (fds[1].revents)
			return NULL;
		fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0) {
			serve(s, fd);
			close(fd);
		}
	}
}

struct server *server_start(void)
{
	struct server *s = calloc(1, sizeof(*s));
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t len = sizeof(address);

	CHECK(s != NULL);
	fill_pattern(s->pattern);
	/* Also for a guest behind a tap. */
	address.sin_addr.s_addr = htonl(INADDR_ANY);
	s->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	s->stop_fd = eventfd(0, EFD_CLOEXEC);
	CHECK(s->listen_fd >= 0 && s->stop_fd >= 0);
	CHECK(bind(s->listen_fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	CHECK(listen(s->listen_fd, 8) == 0);
	CHECK(getsockname(s->listen_fd, (struct sockaddr *)&address, &len) == 0);
	s->port = ntohs(address.sin_port);
	CHECK(pthread_create(&s->thread, NULL, server_run, s) == 0);
	return s;
}

uint16_t server_port(const struct server *s)
{
	return s->port;
}

uint64_t server_sent(const struct server *s)
{
	return __atomic_load_n(&s->sent, __ATOMIC_RELAXED);
}

uint64_t server_received(const struct server *s)
{
	return __atomic_load_n(&s->received, __ATOMIC_RELAXED);
}

void server_stop(struct server *s)
{
	eventfd_write(s->stop_fd, 1);
	pthread_join(s->thread, NULL);
	close(s->listen_fd);
	close(s->stop_fd);
	free(s);
}
