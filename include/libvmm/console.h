/* SPDX-License-Identifier: MIT */
/*
 * <libvmm/console.h> - give a guest a console, and write what stands behind it.
 *
 * Two front ends: virtio console (vmm_add_console(), hvc0 in Linux) and the
 * serial port (vmm_add_serial(), vmm_serial_name()). A backend (struct vmm_chardev)
 * serves either.
 *
 * A reader that stalls never grows memory. By default it never blocks the guest
 * either: what the backend does not take is dropped and counted. With
 * VMM_CONSOLE_WAIT the guest's output waits instead, as on a real terminal.
 */
#ifndef LIBVMM_CONSOLE_H
#define LIBVMM_CONSOLE_H

#include <stdbool.h>
#include <libvmm/common.h>
#include <libvmm/loop.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vmm_chardev;		/* a backend: bytes both ways */
struct vmm_console_port;	/* the front end as its backend sees it */

/* ---- a backend of the application's own ---- */

/** What a kind of console does. One const table per kind. */
struct vmm_console_ops {
	size_t size;			/* sizeof(struct vmm_console_ops) */
	const char *name;		/* "pty" */

	/*
	 * The console is plugged in. @port is for the vmm_console_port_ calls and
	 * valid until detach(); all other calls come on @loop. Required.
	 */
	int (*attach)(void *state, struct vmm_console_port *port, struct vmm_loop *loop);

	/*
	 * The guest wrote. Take what there is room for and return how much; call
	 * vmm_console_port_writable() when there is room again. Do not block. Required.
	 */
	size_t (*write)(void *state, const void *data, size_t len);

	/* The guest takes input again after vmm_console_port_input() took less than all. Optional. */
	void (*readable)(void *state);

	/* Undo attach(): use @port no more. Required. */
	void (*detach)(void *state);

	/* Free @state. Called once, after detach(). Optional. */
	void (*destroy)(void *state);

	/*
	 * A program in the guest has opened the port, or closed it (named ports only).
	 * Input that comes while it is closed waits. Optional.
	 */
	void (*guest_open)(void *state, bool open);
};

/**
 * Make a backend from a table. @ops is borrowed until the backend is destroyed.
 * @state is the backend's on success and the caller's on failure. The caller
 * owns *@ret_chardev until a vmm_add_ call takes it.
 *
 * Returns 0, -EINVAL, -E2BIG or -ENOMEM. Thread safety: any thread.
 */
VMM_API int vmm_console_create(const struct vmm_console_ops *ops, void *state,
			       struct vmm_chardev **ret_chardev) VMM_MUST_CHECK;

/** Destroy a backend that was not given to a guest. NULL is allowed. */
VMM_API void vmm_console_destroy(struct vmm_chardev *chardev);

/**
 * Bytes of output dropped so far because @chardev did not take them. Any thread, while
 * @chardev exists: until vmm_destroy() once it was given to a guest.
 */
VMM_API uint64_t vmm_console_dropped(const struct vmm_chardev *chardev);

/** What went on so far. */
struct vmm_console_stats {
	size_t size;			/* sizeof(struct vmm_console_stats), set by the caller */
	uint64_t from_guest;		/* bytes that the backend took */
	uint64_t to_guest;		/* bytes that the guest took */
	uint64_t dropped;		/* bytes of the guest's that the backend did not take */
	uint64_t guest_open;		/* 1: a program in the guest has the named port open */
};

#define VMM_CONSOLE_STATS_INIT	VMM_SIZED(struct vmm_console_stats)

/** Read them, without stopping anything. Returns 0 or -EINVAL. Threads as vmm_console_dropped(). */
VMM_API int vmm_console_stats(const struct vmm_chardev *chardev,
			      struct vmm_console_stats *ret_stats);

/** Input for the guest: copied. Returns how many bytes were taken. On the loop only. */
VMM_API size_t vmm_console_port_input(struct vmm_console_port *port, const void *data, size_t len);

/** write() will take bytes again. On the loop only. */
VMM_API void vmm_console_port_writable(struct vmm_console_port *port);

/** The terminal's size, in characters (VIRTIO 1.2, 5.3.4). On the loop only. */
VMM_API void vmm_console_port_resize(struct vmm_console_port *port, uint16_t columns,
				     uint16_t rows);

/**
 * There is somebody behind the backend, or nobody any more: a guest that reads a
 * named port gets the end of file then. At first there is somebody, unless attach()
 * says otherwise. On the loop only.
 */
VMM_API void vmm_console_port_connected(struct vmm_console_port *port, bool connected);

/* ---- built-in backends ---- */

/**
 * Descriptors: @input_fd is read, @output_fd is written, either may be <= 0 for
 * none; both are duplicated and may be the same. Pipes, sockets, terminals and
 * plain files will do. They are not made non-blocking (that would change them for
 * whoever shares them); reads and writes never block all the same.
 *
 * Returns 0, -EINVAL, -EBADF, -EMFILE or -ENOMEM. Any thread.
 */
VMM_API int vmm_console_open_fd(int input_fd, int output_fd,
				struct vmm_chardev **ret_chardev) VMM_MUST_CHECK;

/**
 * A pseudo terminal of its own: open *@ret_path (borrowed: valid as long as
 * the backend; may be NULL) with any terminal program. It may be opened and closed many times.
 *
 * Returns 0, -ENOENT, -EMFILE, -ENOSPC or -ENOMEM. Any thread.
 */
VMM_API int vmm_console_open_pty(struct vmm_chardev **ret_chardev,
				 const char **ret_path) VMM_MUST_CHECK;

/**
 * A unix socket of its own at @path (copied, up to 107 bytes), made when the backend is
 * plugged in and removed when the guest is destroyed: one client at a time, others wait until it
 * has gone. While there is none, output is refused, and the guest is told
 * (vmm_console_port_connected()). Up to 64 KiB of output wait for a client that does not
 * read. Who may connect is a matter of the folder's permissions.
 *
 * Returns 0, -EINVAL or -ENOMEM. Any thread. -EADDRINUSE (there is such a file already:
 * remove it if it was left behind), -ENOENT, -EACCES, … come from vmm_add_console().
 */
VMM_API int vmm_console_open_unix(const char *path, struct vmm_chardev **ret_chardev) VMM_MUST_CHECK;

struct vmm_ring;		/* the reader's side of a ring console */

/**
 * The last @bytes (1 .. 16 MiB, rounded up to a power of two) of output in
 * memory, the oldest overwritten. *@ret_ring is the caller's, to be released with
 * vmm_ring_close() before or after the guest is gone.
 *
 * Returns 0, -EINVAL or -ENOMEM. Any thread.
 */
VMM_API int vmm_console_open_ring(uint32_t bytes, struct vmm_chardev **ret_chardev,
				  struct vmm_ring **ret_ring) VMM_MUST_CHECK;

/**
 * Copy output from position *@position on (0 is the guest's first byte ever) and
 * advance it; a position that was overwritten moves to the oldest byte kept.
 * Returns the bytes copied, 0 when there are none yet. Any thread.
 */
VMM_API size_t vmm_ring_read(struct vmm_ring *ring, uint64_t *position, void *dst, size_t len);

/** Type into the guest. Returns the bytes taken; up to 4 KiB wait. Any thread. */
VMM_API size_t vmm_ring_write(struct vmm_ring *ring, const void *data, size_t len);

/**
 * A descriptor that polls readable after output; vmm_ring_read() makes it quiet again once
 * all was read. Borrowed: valid until vmm_ring_close().
 */
VMM_API int vmm_ring_fd(const struct vmm_ring *ring);

/** Release the reader's side. NULL is allowed. */
VMM_API void vmm_ring_close(struct vmm_ring *ring);

/* ---- the front ends ---- */

enum {
	VMM_CONSOLE_WAIT	= 1 << 0,	/* output waits for the backend instead of being dropped */
	VMM_CONSOLE_HVC		= 1 << 1,	/* of a named port: a further console, hvc1 … in Linux */
};

#define VMM_CONSOLE_NAMED_MAX	30	/* named ports of one device */

/**
 * A port by its name: a way for bytes between a program in the guest, which opens
 * /sys/class/virtio-ports/…/name (where udev runs, /dev/virtio-ports/NAME), and the backend.
 */
struct vmm_console_named {
	struct vmm_chardev *backend;	/* the guest's on success, else the caller's */
	const char *name;		/* copied; 1 .. 63 bytes, without '/', once in a device */
	uint32_t flags;			/* VMM_CONSOLE_* */
	uint16_t columns, rows;		/* of a VMM_CONSOLE_HVC one, as below */
};

/**
 * A virtio console (VIRTIO 1.2, 5.3) or a serial port.
 *
 * A device may have a console, named ports, or both. With both, Linux before 6.15
 * takes the terminal's columns for its rows when the size changes; consoles whose size
 * matters get a device without named ports.
 */
struct vmm_console_config {
	size_t size;			/* sizeof(struct vmm_console_config) */
	struct vmm_chardev *backend;	/* the guest's on success, else the caller's; NULL: no console,
					   only named ports */
	const char *name;		/* copied; default "console" or "serial" */
	uint32_t flags;			/* VMM_CONSOLE_WAIT */
	uint32_t transport;		/* enum vmm_transport of <libvmm/device.h>; not for serial */
	uint16_t columns, rows;		/* the terminal's size at first; 0: not told; not for serial */
	uint32_t nr_ports;		/* up to VMM_CONSOLE_NAMED_MAX; not for serial */
	struct vmm_loop *loop;		/* borrowed; default the guest's */
	const struct vmm_console_named *ports;	/* read during the call */
};

#define VMM_CONSOLE_CONFIG_INIT	VMM_SIZED(struct vmm_console_config)

/**
 * Plug in a virtio console, or named ports. Returns and threads as vmm_add_device(), and what a
 * backend's attach says; all backends are still the caller's then.
 */
VMM_API int vmm_add_console(struct vmm *vm, const struct vmm_console_config *config,
			    struct vmm_device **ret_dev) VMM_MUST_CHECK;

/** What Linux calls the serial port of a machine here: "ttyS0", or "ttyAMA0". Static. Any thread. */
VMM_API const char *vmm_serial_name(void);

/**
 * Connect the first serial port (a 16550A at port 0x3f8, IRQ 4, on x86_64; a PL011 on aarch64). Without
 * it that port does not exist.
 *
 * Returns 0, -EINVAL, -E2BIG, -EBUSY (started, or connected already),
 * -EOPNOTSUPP (a machine without one) or -ENOMEM.
 */
VMM_API int vmm_add_serial(struct vmm *vm, const struct vmm_console_config *config) VMM_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
