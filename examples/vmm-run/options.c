/* SPDX-License-Identifier: MIT */
/*
 * options.c - read the command line.
 *
 * Words after a comma belong to what stands before it ("disk.img,ro"). They are
 * taken off from the right as long as they are known, so a file name may hold
 * commas of its own.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include <libvmm/block.h>
#include <libvmm/boot.h>
#include <libvmm/device.h>
#include <libvmm/supervisor.h>
#include <libvmm/version.h>
#include <libvmm/vmm.h>
#include <libvmm/watchdog.h>

#include "nets.h"
#include "options.h"
#include "values.h"

static const char help[] =
	"vmm-run - run a guest on Linux KVM, with its console on this terminal\n"
	"\n"
	"  vmm-run --kernel FILE [OPTIONS]\n"
	"  vmm-run --query               say what this machine's KVM offers\n"
	"\n"
	"What it boots\n"
	"  -k, --kernel FILE             a bzImage or an ELF vmlinux; an Image or Image.gz\n"
	"                                on other architectures\n"
	"  -i, --initrd FILE\n"
	"  -a, --append WORDS            the kernel's command line; the console chosen is named\n"
	"                                in front of it, unless it names one itself\n"
	"      --boot auto|bzimage|pvh|elf|image    how to enter the kernel (auto)\n"
	"\n"
	"The machine\n"
	"  -c, --cpus N                  (1)\n"
	"  -m, --memory SIZE             512M, 4G, ... (512M)\n"
	"      --threads-per-core N, --sockets N    topology shown to the guest (1, 1)\n"
	"      --pin CPU[,CPU...]        bind the guest's first CPU to the first of these, ...\n"
	"      --huge 2M|1G              RAM of huge pages; --thp: ask for transparent ones\n"
	"      --prealloc                have all RAM backed before the start\n"
	"      --transport pci|mmio      how the guest finds its virtio devices (pci)\n"
	"      --name NAME               shown in thread names (guest)\n"
	"\n"
	"Devices; all may be given many times\n"
	"  -d, --disk FILE[,WORD...]     a raw image or block device: /dev/vda, vdb, ... in order\n"
	"          ro, direct (past the page cache), thread, serial=TEXT, queues=N\n"
	"          cache=writeback|writethrough|none|directsync   (writeback)\n"
	"          format=raw|overlay|nbd (raw); overlay: with base=FILE below, which is only\n"
	"              read, and FILE made if it is not there; nbd: FILE is a URI, like\n"
	"              nbd://HOST/EXPORT or nbd+unix:///?socket=PATH\n"
	"          bps=SIZE, iops=N      at most so many bytes and requests a second\n"
	"      --ram-disk SIZE           an empty disk that is forgotten at the end\n"
	"  -n, --net KIND[,thread][,plain][,mac=xx:xx:xx:xx:xx:xx][,mtu=N][,queues=N][,rate=SIZE]   (none)\n"
	"          user: as this user, without privileges    tap:NAME, tapfd:N: an interface of the host's\n"
	"          stream:PATH: passt, QEMU or another guest at a socket; listen:PATH: waits for it there\n"
	"          dgram:PEER:OURS: datagrams between two sockets    none\n"
	"          plain: no offloads    queues: of a tap    rate: bytes a second, each way\n"
	"  -f, --forward [udp:]HOSTPORT:GUESTPORT   from 127.0.0.1 here to --net user\n"
	"      --rng on|off              a source of entropy (on)\n"
	"      --vsock PATH[,cid=N]      sockets to the guest: connect to PATH and say \"CONNECT PORT\";\n"
	"                                from it, to CID 2: listen at PATH_PORT (cid 3)\n"
	"      --balloon on|off|SIZE     free memory goes back to the host; SIZE of the rest too (off)\n"
	"      --port NAME=PATH          /dev/virtio-ports/NAME in the guest, a unix socket here\n"
	"  \"thread\" gives a disk or a network a thread of its own.\n"
	"\n"
	"Console\n"
	"      --console serial|virtio|both   (serial)\n"
	"          serial: which every kernel has built in\n"
	"          virtio: hvc0, faster and knows the terminal's size; needs the guest's driver\n"
	"          both: hvc0, with the kernel's messages on the serial port until its driver is there\n"
	"  On a terminal, Ctrl-] is the escape key; Ctrl-] h says what may follow it.\n"
	"\n"
	"Running\n"
	"      --reboot stop|again       when the guest reboots (stop)\n"
	"      --watchdog reset|stop|notify   plug in a watchdog (i6300esb), and what to do when the\n"
	"                                guest starts it and does not feed it\n"
	"      --restart never|on-failure|always   start the guest again when it ends, after a while that\n"
	"                                grows with each failure in a row (never)\n"
	"      --gdb PATH[,wait]         let gdb connect there (target remote PATH); wait: the guest\n"
	"                                begins when gdb lets it go on\n"
	"      --dump-on-crash FILE      save the guest's memory and registers there as a core for gdb\n"
	"                                and crash, and in FILE.txt what is known for people\n"
	"      --log error|warning|info|debug   remarks of the library on stderr (warning)\n"
	"  -h, --help     -V, --version\n"
	"\n"
	"Exit status\n"
	"   0  the guest powered itself off\n"
	"   1  it could not be started; standard error says why\n"
	"   2  wrong usage\n"
	"  10  it rebooted (with --reboot stop)\n"
	"  11  it was stopped: Ctrl-] q, or SIGINT, SIGTERM or SIGHUP\n"
	"  12  it crashed: the reason and the registers are on standard error\n"
	"  13  its kernel panicked, and said so through the pvpanic device\n"
	"  14  it did not feed its watchdog\n";

enum {
	OPT_BOOT = 256,
	OPT_THREADS,
	OPT_SOCKETS,
	OPT_PIN,
	OPT_HUGE,
	OPT_THP,
	OPT_PREALLOC,
	OPT_TRANSPORT,
	OPT_NAME,
	OPT_RAM_DISK,
	OPT_RNG,
	OPT_VSOCK,
	OPT_PORT,
	OPT_BALLOON,
	OPT_CONSOLE,
	OPT_REBOOT,
	OPT_WATCHDOG,
	OPT_RESTART,
	OPT_GDB,
	OPT_DUMP,
	OPT_LOG,
	OPT_QUERY,
};

static const struct option long_options[] = {
	{ "kernel", required_argument, NULL, 'k' },
	{ "initrd", required_argument, NULL, 'i' },
	{ "append", required_argument, NULL, 'a' },
	{ "boot", required_argument, NULL, OPT_BOOT },
	{ "cpus", required_argument, NULL, 'c' },
	{ "memory", required_argument, NULL, 'm' },
	{ "threads-per-core", required_argument, NULL, OPT_THREADS },
	{ "sockets", required_argument, NULL, OPT_SOCKETS },
	{ "pin", required_argument, NULL, OPT_PIN },
	{ "huge", required_argument, NULL, OPT_HUGE },
	{ "thp", no_argument, NULL, OPT_THP },
	{ "prealloc", no_argument, NULL, OPT_PREALLOC },
	{ "transport", required_argument, NULL, OPT_TRANSPORT },
	{ "name", required_argument, NULL, OPT_NAME },
	{ "disk", required_argument, NULL, 'd' },
	{ "ram-disk", required_argument, NULL, OPT_RAM_DISK },
	{ "net", required_argument, NULL, 'n' },
	{ "forward", required_argument, NULL, 'f' },
	{ "rng", required_argument, NULL, OPT_RNG },
	{ "vsock", required_argument, NULL, OPT_VSOCK },
	{ "port", required_argument, NULL, OPT_PORT },
	{ "balloon", required_argument, NULL, OPT_BALLOON },
	{ "console", required_argument, NULL, OPT_CONSOLE },
	{ "reboot", required_argument, NULL, OPT_REBOOT },
	{ "watchdog", required_argument, NULL, OPT_WATCHDOG },
	{ "restart", required_argument, NULL, OPT_RESTART },
	{ "gdb", required_argument, NULL, OPT_GDB },
	{ "dump-on-crash", required_argument, NULL, OPT_DUMP },
	{ "log", required_argument, NULL, OPT_LOG },
	{ "query", no_argument, NULL, OPT_QUERY },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

static const struct choice protocols[] = {
	{ "auto", VMM_BOOT_AUTO },
	{ "bzimage", VMM_BOOT_BZIMAGE },
	{ "image", VMM_BOOT_IMAGE },
	{ "pvh", VMM_BOOT_PVH },
	{ "elf", VMM_BOOT_ELF },
	{ NULL, 0 },
};
static const struct choice transports[] = {
	{ "pci", VMM_TRANSPORT_PCI },
	{ "mmio", VMM_TRANSPORT_MMIO },
	{ NULL, 0 },
};
static const struct choice consoles[] = {
	{ "serial", CONSOLE_SERIAL },
	{ "virtio", CONSOLE_VIRTIO },
	{ "both", CONSOLE_SERIAL | CONSOLE_VIRTIO },
	{ NULL, 0 },
};
static const struct choice reboots[] = { { "stop", 0 }, { "again", 1 }, { NULL, 0 } };
static const struct choice watchdogs[] = {
	{ "reset", VMM_WATCHDOG_RESET },
	{ "stop", VMM_WATCHDOG_STOP },
	{ "notify", VMM_WATCHDOG_NOTIFY },
	{ NULL, 0 },
};
static const struct choice policies[] = {
	{ "never", VMM_RESTART_NEVER },
	{ "on-failure", VMM_RESTART_ON_FAILURE },
	{ "always", VMM_RESTART_ALWAYS },
	{ NULL, 0 },
};
static const struct choice switches[] = { { "on", 0 }, { "off", 1 }, { NULL, 0 } };
static const struct choice levels[] = {
	{ "error", VMM_LOG_ERROR },
	{ "warning", VMM_LOG_WARNING },
	{ "info", VMM_LOG_INFO },
	{ "debug", VMM_LOG_DEBUG },
	{ NULL, 0 },
};

static const struct choice formats[] = {
	{ "raw", DISK_RAW },
	{ "overlay", DISK_OVERLAY },
	{ "nbd", DISK_NBD },
	{ NULL, 0 },
};

/* Two things at once: what the guest is told, and whether the page cache is used. */
static const struct choice caches[] = {
	{ "writeback", 0 },
	{ "writethrough", 1 },
	{ "none", 2 },
	{ "directsync", 3 },
	{ NULL, 0 },
};

/* What has a value; -1 and *@ret_known. */
static int disk_value(struct disk_option *d, const char *word, bool *ret_known)
{
	uint32_t cache = 0, iops = 0;
	int r = -1;

	*ret_known = true;
	if (strncmp(word, "serial=", 7) == 0) {
		d->serial = word + 7;
	} else if (strncmp(word, "base=", 5) == 0) {
		d->base = word + 5;
	} else if (strncmp(word, "format=", 7) == 0) {
		r = choose("disk format", word + 7, formats, &d->format);
	} else if (strncmp(word, "cache=", 6) == 0) {
		r = choose("disk cache", word + 6, caches, &cache);
		d->cache = cache & 1 ? VMM_BLOCK_WRITETHROUGH : VMM_BLOCK_WRITEBACK;
		d->flags |= cache & 2 ? VMM_BLK_FILE_DIRECT : 0u;
	} else if (strncmp(word, "queues=", 7) == 0) {
		r = number("disk queues", word + 7, VMM_DEVICE_QUEUES_MAX, &d->queues);
	} else if (strncmp(word, "bps=", 4) == 0) {
		r = size("disk bps", word + 4, &d->rate.bytes_per_second);
	} else if (strncmp(word, "iops=", 5) == 0) {
		r = number("disk iops", word + 5, UINT32_MAX, &iops);
		d->rate.ops_per_second = iops;
	} else {
		*ret_known = false;
	}
	return r;
}

static int disk(struct options *o, char *text)
{
	struct disk_option *d = &o->disks[o->nr_disks];
	bool known = true;
	char *word;
	int r;

	if (o->nr_disks == MAX_DISKS)
		return wrong("disk", text, "no more disks");
	d->rate = (struct vmm_rate)VMM_RATE_INIT;
	while (known && (word = cut_word(text)) != NULL) {
		if (strcmp(word, "ro") == 0) {
			d->flags |= VMM_BLK_READ_ONLY;
		} else if (strcmp(word, "direct") == 0) {
			d->flags |= VMM_BLK_FILE_DIRECT;
		} else if (strcmp(word, "thread") == 0) {
			d->own_thread = true;
		} else {
			r = disk_value(d, word, &known);
			if (r >= 0)
				return r;
			if (!known)
				word[-1] = ',';	/* a part of the file's name */
		}
	}
	if ((d->format == DISK_OVERLAY) != !!d->base)
		return wrong("disk", text, "format=overlay and base=FILE together");
	if (d->format != DISK_RAW && (d->flags & (d->format == DISK_NBD ? VMM_BLK_FILE_DIRECT
									: VMM_BLK_READ_ONLY)))
		return wrong("disk", text, "no such word with that format");
	d->path = text;
	o->nr_disks++;
	return -1;
}

static int ram_disk(struct options *o, const char *text)
{
	if (o->nr_disks == MAX_DISKS)
		return wrong("ram-disk", text, "no more disks");
	o->disks[o->nr_disks].rate = (struct vmm_rate)VMM_RATE_INIT;
	return size("ram-disk", text, &o->disks[o->nr_disks++].ram_bytes);
}

static int forward(struct options *o, const char *text)
{
	struct vmm_net_forward *f = &o->forwards[o->nr_forwards];
	const char *ports = text, *end;
	uint64_t host, guest;

	if (o->nr_forwards == MAX_FORWARDS)
		return wrong("forward", text, "no more forwards");
	if (strncmp(text, "udp:", 4) == 0 || strncmp(text, "tcp:", 4) == 0) {
		f->udp = text[0] == 'u';
		ports += 4;
	}
	if (!parse_number(ports, 1, 65535, &host, &end) || *end != ':' ||
	    !parse_number(end + 1, 1, 65535, &guest, &end) || *end != '\0')
		return wrong("forward", text, "[udp:]HOSTPORT:GUESTPORT");
	f->host_port = (uint16_t)host;
	f->guest_port = (uint16_t)guest;
	o->nr_forwards++;
	return -1;
}

static int pin(struct options *o, const char *text)
{
	const char *at = text, *end;
	uint64_t cpu;

	do {
		if (o->nr_pins == MAX_PINS || !parse_number(at, 0, INT32_MAX, &cpu, &end) ||
		    (*end != ',' && *end != '\0'))
			return wrong("pin", text, "numbers of CPUs with commas between them");
		o->pins[o->nr_pins++] = (uint32_t)cpu;
		at = end + 1;
	} while (*end == ',');
	return -1;
}

static int gdb(struct options *o, char *text)
{
	char *word = cut_word(text);

	if (word && strcmp(word, "wait") == 0)
		o->gdb_wait = true;
	else if (word)
		word[-1] = ',';
	o->gdb = text;
	return -1;
}

static int set_flag(uint32_t *flags, uint32_t flag)
{
	*flags |= flag;
	return -1;
}

static int set_text(const char **ret_text, const char *text)
{
	*ret_text = text;
	return -1;
}

static int set_choice(bool *ret_value, const char *option, const struct choice *choices)
{
	uint32_t value = 0;
	int r = choose(option, optarg, choices, &value);

	*ret_value = value != 0;
	return r;
}

static int show_version(void)
{
	uint32_t v = vmm_version();

	printf("vmm-run %d.%d.%d, libvmm %u.%u.%u\n", VMM_VERSION_MAJOR, VMM_VERSION_MINOR,
	       VMM_VERSION_PATCH, v >> 16, v >> 8 & 0xff, v & 0xff);
	return 0;
}

static int show_help(void)
{
	fputs(help, stdout);
	return 0;
}

/* One option. Returns as options_parse(). */
static int take(struct options *o, int option)
{
	switch (option) {
	case 'k':
		return set_text(&o->kernel, optarg);
	case 'i':
		return set_text(&o->initrd, optarg);
	case 'a':
		return set_text(&o->append, optarg);
	case OPT_BOOT:
		return choose("boot", optarg, protocols, &o->protocol);
	case 'c':
		return number("cpus", optarg, VMM_VCPUS_MAX, &o->cpus);
	case 'm':
		return size("memory", optarg, &o->memory);
	case OPT_THREADS:
		return number("threads-per-core", optarg, VMM_VCPUS_MAX, &o->threads_per_core);
	case OPT_SOCKETS:
		return number("sockets", optarg, VMM_VCPUS_MAX, &o->sockets);
	case OPT_PIN:
		return pin(o, optarg);
	case OPT_HUGE:
		return size("huge", optarg, &o->huge_page_bytes);
	case OPT_THP:
		return set_flag(&o->vm_flags, VMM_F_THP);
	case OPT_PREALLOC:
		return set_flag(&o->vm_flags, VMM_F_PREALLOC);
	case OPT_TRANSPORT:
		return choose("transport", optarg, transports, &o->transport);
	case OPT_NAME:
		return set_text(&o->name, optarg);
	case 'd':
		return disk(o, optarg);
	case OPT_RAM_DISK:
		return ram_disk(o, optarg);
	case 'n':
		return nets_parse(o, optarg);
	case 'f':
		return forward(o, optarg);
	case OPT_RNG:
		return set_choice(&o->no_rng, "rng", switches);
	case OPT_VSOCK:
		return extras_vsock(&o->extras, optarg);
	case OPT_PORT:
		return extras_port(&o->extras, optarg);
	case OPT_BALLOON:
		return extras_balloon(&o->extras, optarg);
	case OPT_CONSOLE:
		return choose("console", optarg, consoles, &o->console);
	case OPT_REBOOT:
		return set_choice(&o->reboot_again, "reboot", reboots);
	case OPT_WATCHDOG:
		o->watchdog = true;
		return choose("watchdog", optarg, watchdogs, &o->watchdog_action);
	case OPT_RESTART:
		return choose("restart", optarg, policies, &o->restart);
	case OPT_GDB:
		return gdb(o, optarg);
	case OPT_DUMP:
		return set_text(&o->dump, optarg);
	case OPT_LOG:
		return choose("log", optarg, levels, &o->log_level);
	case OPT_QUERY:
		o->query = true;
		return -1;
	case 'h':
		return show_help();
	case 'V':
		return show_version();
	default:	/* getopt_long() has said what is wrong */
		fprintf(stderr, "vmm-run: see --help\n");
		return STATUS_USAGE;
	}
}

static int usage(const char *words)
{
	fprintf(stderr, "vmm-run: %s; see --help\n", words);
	return STATUS_USAGE;
}

int options_parse(int argc, char **argv, struct options *ret_options)
{
	struct options *o = ret_options;
	bool user = false;
	int option, r;

	*o = (struct options){ .console = CONSOLE_SERIAL, .memory = 512 << 20, .cpus = 1 };
	while ((option = getopt_long(argc, argv, "k:i:a:c:m:d:n:f:hV", long_options, NULL)) != -1) {
		r = take(o, option);
		if (r >= 0)
			return r;
	}
	if (optind < argc)
		return wrong("kernel FILE", argv[optind], "nothing more");
	if (!o->kernel && !o->query)
		return usage("no --kernel");
	if (o->no_net && o->nr_nets > 0)
		return usage("--net none and another --net");
	for (uint32_t i = 0; i < o->nr_nets; i++)
		user = user || o->nets[i].kind == NET_USER;
	if (o->nr_forwards > 0 && !user)
		return usage("--forward needs --net user");
	return -1;
}
