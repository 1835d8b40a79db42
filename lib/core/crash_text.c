/* SPDX-License-Identifier: MIT */
/* crash_text.c - a crash record as text for people. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "arch/arch_debug_priv.h"
#include "core/crash_priv.h"
#include "core/error_priv.h"
#include "core/io_priv.h"

static void print_regs(FILE *f, const struct vmm_regs *regs)
{
	struct arch_reg list[ARCH_REGS_MAX];
	uint32_t n = vmm__arch_list_regs(regs, list, ARCH_REGS_MAX);

	for (uint32_t i = 0; i < n; i++)
		fprintf(f, "  %-10s %016" PRIx64 "%s", list[i].name, list[i].value,
			i % 3 == 2 || i + 1 == n ? "\n" : "");
}

static void print_exit(FILE *f, const struct vmm_exit_record *e, uint64_t now)
{
	uint64_t ago = now > e->time_ns ? (now - e->time_ns) / 1000000u : 0;

	fprintf(f, "  %8" PRIu64 " ms before: %s", ago, vmm__exits_name(e->kvm_reason));
	if (e->width > 0)
		fprintf(f, " %s 0x%" PRIx64 ", %u bytes%s, 0x%" PRIx64, e->write ? "write" : "read",
			e->address, e->width, e->count > 1 ? " each" : "", e->value);
	if (e->count > 1)
		fprintf(f, ", %u times", e->count);
	fprintf(f, "\n");
}

static void print_vcpu(FILE *f, const struct vmm_crash *crash, uint32_t id)
{
	const struct crash_vcpu *v = &crash->vcpus[id];
	struct vmm_exit_record record;

	fprintf(f, "\nvCPU %u registers:%s\n", id, v->regs.arch == VMM_ARCH_NONE ? " not known" : "");
	print_regs(f, &v->regs);
	fprintf(f, "vCPU %u last exits, the newest first:\n", id);
	for (uint32_t back = 0; vmm__exits_get(&v->exits, back, &record); back++)
		print_exit(f, &record, crash->taken_ns);
}

static void print_console(FILE *f, const struct crash_console *c)
{
	fprintf(f, "\nconsole %s, the last %zu of %" PRIu64 " bytes:\n", c->name, c->len, c->total);
	for (size_t i = 0; i < c->len; i++) {
		unsigned char byte = (unsigned char)c->bytes[i];

		if (byte == '\r' && i + 1 < c->len && c->bytes[i + 1] == '\n')
			continue;
		if (byte == '\n' || byte == '\t' || (byte >= ' ' && byte < 0x7f))
			fputc(byte, f);
		else
			fprintf(f, "\\x%02x", byte);
	}
	fprintf(f, "\n");
}

static void print_stop(FILE *f, const struct vmm_stop_info *info)
{
	if (info->reason == VMM_STOP_NONE) {
		fprintf(f, "paused\n");
		return;
	}
	fprintf(f, "stopped: %s\n", info->words);
	if (info->vcpu != ~0u)
		fprintf(f, "by vCPU %u, KVM exit %s (%u)\n", info->vcpu,
			vmm__exits_name(info->exit_reason), info->exit_reason);
	for (uint32_t i = 0; i < info->nr_exit_data && i < 16; i++)
		fprintf(f, "%s%#" PRIx64 "%s", i == 0 ? "data: " : " ", info->exit_data[i],
			i + 1 == info->nr_exit_data ? "\n" : "");
	if (info->regs.arch != VMM_ARCH_NONE) {
		fprintf(f, "registers at that moment:\n");
		print_regs(f, &info->regs);
	}
}

static void print(FILE *f, const struct vmm_crash *crash)
{
	time_t at = (time_t)crash->taken_at;
	struct tm tm;
	char when[32] = "";

	if (gmtime_r(&at, &tm))
		(void)strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S UTC", &tm);
	fprintf(f, "guest %s, recorded %s\n", crash->name, when);
	print_stop(f, &crash->info);
	for (uint32_t i = 0; i < crash->nr_vcpus; i++)
		print_vcpu(f, crash, i);
	for (uint32_t i = 0; i < crash->nr_consoles; i++)
		print_console(f, &crash->consoles[i]);
}

int vmm_crash_write(const struct vmm_crash *crash, int fd)
{
	char *text = NULL;
	size_t len = 0;
	sigset_t before;
	FILE *f;
	int r;

	if (!crash || fd < 0)
		return vmm__fail(-EINVAL, "no record, or no descriptor");
	f = open_memstream(&text, &len);
	if (!f)
		return vmm__fail(-ENOMEM, "no memory for a crash record's text");
	print(f, crash);
	r = ferror(f) ? -ENOMEM : 0;
	if (fclose(f) != 0 || r < 0) {
		free(text);
		return vmm__fail(-ENOMEM, "no memory for a crash record's text");
	}

	vmm__io_hold(&before);
	r = vmm__io_write(fd, text, len, "the crash record");
	vmm__io_release(&before);
	free(text);
	return r;
}
