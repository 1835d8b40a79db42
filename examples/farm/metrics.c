/* SPDX-License-Identifier: MIT */
/* metrics.c - the guests for Prometheus: its text format, version 0.0.4. */
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>

#include "http.h"

enum scale { AS_IT_IS, SECONDS };

static const struct metric {
	const char *name, *type, *help;
	size_t offset; /* in struct sample */
	enum scale scale;
} sampled[] = {
	{ "libvmm_guest_cpu_seconds_total", "counter", "processor time of its vCPUs",
	  offsetof(struct sample, cpu_ns), SECONDS },
	{ "libvmm_guest_memory_bytes", "gauge", "RAM that the host holds",
	  offsetof(struct sample, memory_bytes), AS_IT_IS },
	{ "libvmm_guest_disk_read_bytes_total", "counter", "read from its disk",
	  offsetof(struct sample, disk_read), AS_IT_IS },
	{ "libvmm_guest_disk_written_bytes_total", "counter", "written to it",
	  offsetof(struct sample, disk_written), AS_IT_IS },
	{ "libvmm_guest_network_received_bytes_total", "counter", "received",
	  offsetof(struct sample, net_in), AS_IT_IS },
	{ "libvmm_guest_network_sent_bytes_total", "counter", "sent",
	  offsetof(struct sample, net_out), AS_IT_IS },
	{ "libvmm_guest_starts_total", "counter", "times it was started",
	  offsetof(struct sample, starts), AS_IT_IS },
	{ "libvmm_guest_exits_total", "counter", "exits from KVM to the library",
	  offsetof(struct sample, exits), AS_IT_IS },
};

static const struct {
	const char *name, *help;
	size_t offset; /* in struct guest */
} counted[] = {
	{ "libvmm_guest_crashes_total", "ends that were failures",
	  offsetof(struct guest, crashes) },
	{ "libvmm_guest_restarts_total", "starts by the supervisor",
	  offsetof(struct guest, restarts) },
	{ "libvmm_guest_console_bytes_total", "printed", offsetof(struct guest, printed) },
};

static void head(struct text *t, const char *name, const char *type, const char *help)
{
	text_print(t, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void add_sampled(struct text *t, const struct farm *farm, const struct sample *samples)
{
	for (size_t m = 0; m < sizeof(sampled) / sizeof(sampled[0]); m++) {
		head(t, sampled[m].name, sampled[m].type, sampled[m].help);
		for (uint32_t i = 0; i < farm->nr_guests; i++) {
			const char *at = (const char *)&samples[i] + sampled[m].offset;
			uint64_t value = *(const uint64_t *)(const void *)at;

			text_print(t, "%s{guest=\"%s\"} ", sampled[m].name, farm->guests[i].name);
			if (sampled[m].scale == SECONDS)
				text_print(t, "%" PRIu64 ".%09" PRIu64 "\n", value / 1000000000,
					   value % 1000000000);
			else
				text_print(t, "%" PRIu64 "\n", value);
		}
	}
}

static void add_counted(struct text *t, const struct farm *farm)
{
	for (size_t m = 0; m < sizeof(counted) / sizeof(counted[0]); m++) {
		head(t, counted[m].name, "counter", counted[m].help);
		for (uint32_t i = 0; i < farm->nr_guests; i++) {
			const char *at = (const char *)&farm->guests[i] + counted[m].offset;

			text_print(t, "%s{guest=\"%s\"} %" PRIu64 "\n", counted[m].name,
				   farm->guests[i].name, *(const uint64_t *)(const void *)at);
		}
	}
}

/* One series for each state: 1 for the one that it is in. */
static void add_states(struct text *t, const struct farm *farm)
{
	static const char *const words[] = { "created", "running", "paused", "stopped" };

	head(t, "libvmm_guest_state", "gauge", "1 for the state that it is in");
	for (uint32_t i = 0; i < farm->nr_guests; i++) {
		for (uint32_t s = 0; s < 4; s++)
			text_print(t, "libvmm_guest_state{guest=\"%s\",state=\"%s\"} %d\n",
				   farm->guests[i].name, words[s],
				   vmm_state(farm->guests[i].vm) == s);
	}
}

enum MHD_Result metrics(struct request *r)
{
	const struct farm *farm = r->http->farm;
	struct sample *samples = calloc(farm->nr_guests, sizeof(*samples));
	struct text t = { 0 };

	if (!samples)
		return MHD_NO;
	for (uint32_t i = 0; i < farm->nr_guests; i++)
		sample_take(&farm->guests[i], &samples[i]);
	add_states(&t, farm);
	add_sampled(&t, farm, samples);
	add_counted(&t, farm);
	head(&t, "libvmm_farm_pages", "gauge", "pages that look on");
	text_print(&t, "libvmm_farm_pages %u\n", r->http->nr_streams);
	free(samples);
	return reply_text(r, "text/plain; version=0.0.4; charset=utf-8", &t);
}
