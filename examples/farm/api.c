/* SPDX-License-Identifier: MIT */
/* api.c - the guests as JSON, their consoles as bytes, and the buttons. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "http.h"

static const char *state_word(const struct guest *g)
{
	static const char *const words[] = { "created", "running", "paused", "stopped" };
	uint32_t state = vmm_state(g->vm);

	return state < sizeof(words) / sizeof(words[0]) ? words[state] : "unknown";
}

static void guest_state(const struct guest *g, struct text *t)
{
	struct sample s;

	sample_take(g, &s);
	text_print(t, "{\"name\":\"%s\",\"state\":\"%s\",\"last\":", g->name, state_word(g));
	text_json(t, g->last);
	text_print(t,
		   ",\"cpus\":%u,\"ram\":%" PRIu64 ",\"time_ns\":%" PRIu64 ",\"cpu_ns\":%" PRIu64
		   ",\"memory\":%" PRIu64,
		   g->config->cpus, g->config->memory, s.time_ns, s.cpu_ns, s.memory_bytes);
	text_print(t,
		   ",\"disk_read\":%" PRIu64 ",\"disk_written\":%" PRIu64 ",\"net_in\":%" PRIu64
		   ",\"net_out\":%" PRIu64,
		   s.disk_read, s.disk_written, s.net_in, s.net_out);
	text_print(t,
		   ",\"starts\":%" PRIu64 ",\"crashes\":%" PRIu64 ",\"restarts\":%" PRIu64
		   ",\"printed\":%" PRIu64 ",\"crash_record\":%s}",
		   s.starts, g->crashes, g->restarts, g->printed, g->crash ? "true" : "false");
}

void api_state(const struct farm *farm, struct text *t)
{
	text_print(t, "{\"id\":\"%s\",\"guests\":[", farm->id);
	for (uint32_t i = 0; i < farm->nr_guests; i++) {
		if (i > 0)
			text_add(t, ",", 1);
		guest_state(&farm->guests[i], t);
	}
	text_print(t, "]}");
}

enum MHD_Result api_guests(struct request *r)
{
	struct text t = { 0 };

	api_state(r->http->farm, &t);
	return reply_text(r, "application/json", &t);
}

/* ---- the console ---- */

/* Output from ?from=POSITION on; the header X-Position says where the next piece begins. */
enum MHD_Result api_console(struct request *r, struct guest *g)
{
	const char *from =
		MHD_lookup_connection_value(r->connection, MHD_GET_ARGUMENT_KIND, "from");
	uint64_t position = from ? strtoull(from, NULL, 10) : 0;
	struct MHD_Response *response;
	struct text t = { 0 };
	char bytes[4096], where[24];
	size_t n;

	while (t.len < 64u << 10 &&
	       (n = vmm_ring_read(g->ring, &position, bytes, sizeof(bytes))) > 0)
		text_add(&t, bytes, n);
	snprintf(where, sizeof(where), "%" PRIu64, position);
	response = t.failed
			   ? NULL
			   : MHD_create_response_from_buffer(t.len, t.bytes, MHD_RESPMEM_MUST_COPY);
	text_free(&t);
	if (response)
		(void)MHD_add_response_header(response, "X-Position", where);
	return reply_with(r, MHD_HTTP_OK, "application/octet-stream", response);
}

/* What does not fit is the caller's to send again. */
enum MHD_Result api_type(struct request *r, struct guest *g)
{
	struct text t = { 0 };

	text_print(&t, "{\"taken\":%zu}\n",
		   r->body_len ? vmm_ring_write(g->ring, r->body, r->body_len) : 0);
	return reply_text(r, "application/json", &t);
}

/* ---- the rest ---- */

enum MHD_Result api_crash_record(struct request *r, const struct guest *g)
{
	struct MHD_Response *response;
	off_t len;
	int fd;

	if (!g->crash)
		return reply_words(r, MHD_HTTP_NOT_FOUND, "it has not crashed yet");
	fd = memfd_create("crash-record", MFD_CLOEXEC);
	if (fd < 0 || vmm_crash_write(g->crash, fd) < 0 || (len = lseek(fd, 0, SEEK_END)) < 0) {
		if (fd >= 0)
			close(fd);
		return reply_words(r, MHD_HTTP_INTERNAL_SERVER_ERROR, "no room for the record");
	}
	response = MHD_create_response_from_fd64((uint64_t)len, fd); /* and closes it */
	if (!response)
		close(fd);
	return reply_with(r, MHD_HTTP_OK, "text/plain; charset=us-ascii", response);
}

enum MHD_Result api_act(struct request *r, struct guest *g, int action)
{
	int result = action_do(g, (enum action)action);

	if (result == -EBUSY)
		return reply_words(r, MHD_HTTP_CONFLICT, "%s is %s: %s", g->name, state_word(g),
				   vmm_last_error());
	if (result < 0)
		return reply_words(r, MHD_HTTP_INTERNAL_SERVER_ERROR, "%s: %s", g->name,
				   vmm_last_error());
	return reply(r, MHD_HTTP_OK, "application/json", "{}\n", 3);
}
