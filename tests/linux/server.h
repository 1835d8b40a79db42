/* SPDX-License-Identifier: MIT */
/*
 * server.h - the host's side of the guest's transfers: HTTP, in a thread.
 *
 *   GET /data/BYTES     that many bytes, always the same ones
 *   GET /sha256/BYTES   their checksum
 *   POST /upload        compares the body with them; answers with the checksum if
 *                       it is equal, and with words if not
 */
#ifndef LINUX_SERVER_H
#define LINUX_SERVER_H

#include <stdint.h>

struct server;

/* Listen on a free port of this machine until server_stop(). */
struct server *server_start(void);
uint16_t server_port(const struct server *server);

/* How many bytes went out and came in, in whole and equal transfers. */
uint64_t server_sent(const struct server *server);
uint64_t server_received(const struct server *server);

void server_stop(struct server *server);

#endif
