/* SPDX-License-Identifier: MIT */
/*
 * server.c - gdb's connection on the guest's loop: bytes between a socket and a session, and the
 * guest's stops told to it.
 *
 * Nothing waits here. A connection is read once the guest is held; when it breaks while the guest
 * runs, the guest is held once more for a moment, so that breakpoints can be taken out.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libvmm/debug.h>
#include "core/config_priv.h"
#include "core/debug_priv.h"
#include "core/error_priv.h"
#include "core/unix_socket_priv.h"
#include "debug/session_priv.h"

#define SIGNAL_KILL	9
#define SIGNAL_ABRT	6

struct vmm_debug {
	struct vmm *vm;
	struct vmm_loop *loop;
	int listen_fd;			/* -1: one connection was given */
	struct vmm_source *listener;
	struct unix_path path;

	struct vmm_deferred changed;	/* the guest's state did */
	bool attached;
	bool leaving;			/* the connection is gone: detach as soon as the guest is held */

	int fd;				/* the connection, or -1 */
	struct vmm_source *source;
	bool talking;
	struct session session;
	uint8_t in[1024];
	size_t in_at, in_len;
	char out[SESSION_SEND_MAX];
	size_t out_at, out_len;
};

/* ---- the target ---- */

static int target_read_regs(void *target, uint32_t thread, uint8_t *ret_block)
{
	return vmm__debug_read_regs(((struct vmm_debug *)target)->vm, thread, ret_block);
}

static int target_write_regs(void *target, uint32_t thread, const uint8_t *block)
{
	return vmm__debug_write_regs(((struct vmm_debug *)target)->vm, thread, block);
}

static int target_read(void *target, uint32_t thread, uint64_t address, void *dst, size_t len)
{
	return vmm__debug_read(((struct vmm_debug *)target)->vm, thread, address, dst, len);
}

static int target_write(void *target, uint32_t thread, uint64_t address, const void *src, size_t len)
{
	return vmm__debug_write(((struct vmm_debug *)target)->vm, thread, address, src, len);
}

static int target_insert(void *target, uint32_t thread, const struct arch_watch *watch)
{
	return vmm__debug_insert(((struct vmm_debug *)target)->vm, thread, watch);
}

static int target_remove(void *target, const struct arch_watch *watch)
{
	return vmm__debug_remove(((struct vmm_debug *)target)->vm, watch);
}

static int target_run(void *target, const uint8_t *actions)
{
	_Static_assert((int)DEBUG_FREEZE == (int)THREAD_STAYS && (int)DEBUG_CONTINUE == (int)THREAD_RUNS &&
		       (int)DEBUG_STEP == (int)THREAD_STEPS, "the same actions");
	return vmm__debug_run(((struct vmm_debug *)target)->vm, actions);
}

static void target_interrupt(void *target)
{
	struct vmm_debug *d = target;

	vmm__debug_stop(d->vm);
	/* Paused by the application already, it does not change its state. */
	(void)vmm_defer(&d->changed);
}

/* Once the answer is sent: see pump(). */
static void target_detach(void *target)
{
}

static void target_kill(void *target)
{
	(void)vmm_stop(((struct vmm_debug *)target)->vm);
}

static const struct target_ops target_ops = {
	.read_regs = target_read_regs, .write_regs = target_write_regs, .read = target_read,
	.write = target_write, .insert = target_insert, .remove = target_remove, .run = target_run,
	.interrupt = target_interrupt, .detach = target_detach, .kill = target_kill,
};

/* ---- the connection's end ---- */

static bool is_on(const struct vmm *vm)
{
	uint32_t state = vmm_state(vm);

	return state == VMM_STATE_RUNNING || state == VMM_STATE_PAUSED;
}

static void detach(struct vmm_debug *d)
{
	if (d->attached)
		vmm__debug_detach(d->vm);
	d->attached = d->leaving = false;
	/* See incoming(). */
	if (d->listener)
		(void)vmm_source_watch(d->listener, EPOLLIN);
}

static void hang_up(struct vmm_debug *d)
{
	vmm_source_remove(d->source);
	if (d->fd >= 0)
		close(d->fd);
	d->source = NULL;
	d->fd = -1;
	d->talking = false;
	d->in_at = d->in_len = d->out_at = d->out_len = 0;
}

static void drop(struct vmm_debug *d)
{
	hang_up(d);
	if (!d->attached)
		return;
	d->leaving = true;
	vmm__debug_stop(d->vm);
	(void)vmm_defer(&d->changed);
}

/* ---- bytes ---- */

/* False: it is broken. */
static bool flush(struct vmm_debug *d)
{
	while (d->out_at < d->out_len) {
		ssize_t n = send(d->fd, d->out + d->out_at, d->out_len - d->out_at,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK;
		d->out_at += (size_t)n;
	}
	d->out_at = d->out_len = 0;
	return true;
}

/* Answer what has come, as far as the answers can be sent. */
static void pump(struct vmm_debug *d)
{
	uint32_t events;

	for (;;) {
		if (!flush(d)) {
			drop(d);
			return;
		}
		if (d->out_len > 0)
			break;
		d->out_len = vmm__session_take(&d->session, d->out);
		if (d->out_len > 0)
			continue;
		if (d->session.over) {
			drop(d);
			return;
		}
		if (d->in_at == d->in_len)
			break;
		d->in_at += vmm__session_feed(&d->session, d->in + d->in_at, d->in_len - d->in_at);
	}
	events = d->out_len > 0 ? EPOLLOUT : EPOLLIN;
	if (vmm_source_watch(d->source, events) < 0)
		drop(d);
}

static void ready(void *data, uint32_t revents)
{
	struct vmm_debug *d = data;
	ssize_t n;

	if (d->in_at == d->in_len && d->out_len == 0) {
		d->in_at = d->in_len = 0;
		n = recv(d->fd, d->in, sizeof(d->in), MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
			drop(d);
			return;
		}
		d->in_len = n > 0 ? (size_t)n : 0;
	}
	pump(d);
}

/* ---- the guest's stops ---- */

static void tell_stop(struct vmm_debug *d)
{
	struct arch_watch watch = { 0 };
	enum session_stop why = STOP_INTERRUPTED;
	struct arch_hit hit;
	uint32_t vcpu = d->session.stopped;
	bool crashed;

	if (vmm__debug_take_hit(d->vm, &vcpu, &hit, &watch, &crashed)) {
		if (crashed)
			why = STOP_CRASHED;
		else if (hit.kind == ARCH_HIT_STEP)
			why = STOP_STEP;
		else if (hit.kind == ARCH_HIT_BREAKPOINT)
			why = STOP_SOFTWARE;
		else
			why = watch.kind == ARCH_WATCH_EXEC ? STOP_HARDWARE : STOP_WATCH;
	}
	vmm__session_stopped(&d->session, vcpu, why, &watch);
}

static void tell_end(struct vmm_debug *d)
{
	struct vmm_stop_info info = VMM_STOP_INFO_INIT;
	bool well;

	(void)vmm_stop_info(d->vm, &info);
	well = info.reason == VMM_STOP_POWEROFF || info.reason == VMM_STOP_RESET;
	vmm__session_exited(&d->session, well ? 0 : info.reason == VMM_STOP_REQUESTED ? SIGNAL_KILL
									: SIGNAL_ABRT);
}

/* On the loop, after each change of the guest's state. */
static void changed(struct vmm_deferred *deferred)
{
	struct vmm_debug *d = (struct vmm_debug *)((char *)deferred - offsetof(struct vmm_debug, changed));
	bool holds = d->attached && vmm__debug_holds(d->vm);

	if (d->leaving) {
		if (holds || !is_on(d->vm))
			detach(d);
		return;
	}
	if (d->fd < 0)
		return;
	if (!d->talking && !is_on(d->vm)) {
		drop(d);
	} else if (!d->talking && holds) {
		vmm__session_init(&d->session, &target_ops, d, d->vm->nr_vcpus);
		d->talking = true;
		pump(d);
	} else if (d->talking && !is_on(d->vm) && !d->session.over) {
		tell_end(d);
		pump(d);
	} else if (d->talking && d->session.running && holds) {
		tell_stop(d);
		pump(d);
	}
}

/* ---- the connection's beginning ---- */

/* Takes @fd. */
static int connected(struct vmm_debug *d, int fd)
{
	int r;

	if (d->fd >= 0 || d->leaving || !is_on(d->vm)) {
		close(fd);
		return vmm__fail(-EBUSY, "%s does not run, or has a debugger", d->vm->name);
	}
	if (!d->attached) {
		r = vmm__debug_attach(d->vm, &d->changed);
		if (r < 0) {
			close(fd);
			return r;
		}
		d->attached = true;
	}
	/* Not read before the guest is held. */
	r = vmm_loop_add_fd(d->loop, fd, 0, ready, d, &d->source);
	if (r < 0) {
		close(fd);
		drop(d);
		return r;
	}
	d->fd = fd;
	vmm__debug_stop(d->vm);
	(void)vmm_defer(&d->changed);
	return 0;
}

static void incoming(void *data, uint32_t revents)
{
	struct vmm_debug *d = data;
	int fd;

	/* The next one waits until nothing is left of the last. */
	if (d->leaving) {
		(void)vmm_source_watch(d->listener, 0);
		return;
	}
	fd = accept4(d->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		(void)connected(d, fd);
}

/* ---- sockets ---- */

static int listen_path(struct vmm_debug *d, const char *text)
{
	int r = vmm__unix_path_set(&d->path, text);

	if (r == 0)
		r = vmm__unix_serve(&d->path, S_IRUSR | S_IWUSR, 1);
	if (r < 0)
		return r;
	d->listen_fd = r;
	return 0;
}

static int take_fd(struct vmm_debug *d, int given)
{
	int type = 0, listening = 0, fd;
	socklen_t len = sizeof(type);

	if (getsockopt(given, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
		return vmm__fail_errno("descriptor %d is no socket", given);
	len = sizeof(listening);
	if (type != SOCK_STREAM || getsockopt(given, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) < 0)
		return vmm__fail(-EINVAL, "descriptor %d is no stream socket", given);
	fd = fcntl(given, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return vmm__fail_errno("cannot use descriptor %d", given);
	if (!listening)
		return connected(d, fd);
	d->listen_fd = fd;
	return 0;
}

/* ---- life ---- */

/* With the loop kept still. */
static void finish(struct vmm_debug *d)
{
	/* The guest's end may not have been told yet. */
	if (d->talking && d->out_len == 0 && !is_on(d->vm) && !d->session.over) {
		tell_end(d);
		d->out_len = vmm__session_take(&d->session, d->out);
		(void)flush(d);
	}
	vmm_source_remove(d->listener);
	d->listener = NULL;
	hang_up(d);
	detach(d);
	vmm_deferred_cancel(&d->changed);
	if (d->listen_fd >= 0)
		close(d->listen_fd);
	vmm__unix_unlink(&d->path);
	free(d);
}

/* With the loop kept still. */
static int begin(struct vmm_debug *d, const struct vmm_debug_config *c)
{
	int r = 0;

	if (c->flags & VMM_DEBUG_WAIT) {
		r = vmm__debug_attach(d->vm, &d->changed);
		if (r < 0)
			return r;
		d->attached = true;
		vmm__debug_stop(d->vm);
	}
	r = c->path ? listen_path(d, c->path) : take_fd(d, c->fd);
	if (r == 0 && d->listen_fd >= 0)
		r = vmm_loop_add_fd(d->loop, d->listen_fd, EPOLLIN, incoming, d, &d->listener);
	return r;
}

static int check(struct vmm_debug_config *c, struct vmm *vm, const struct vmm_debug_config *config)
{
	int r;

	if (!vm || !config)
		return vmm__fail(-EINVAL, "no guest or no configuration");
	r = vmm__config_copy(c, sizeof(*c), config, config->size, sizeof(c->size));
	if (r < 0)
		return r;
	if ((c->path != NULL) == (c->fd > 0) || (c->flags & ~(uint32_t)VMM_DEBUG_WAIT))
		return vmm__fail(-EINVAL, "a debugger needs a path or a descriptor, and flags VMM_DEBUG_");
	if (vm->flags & VMM_F_CALLER_VCPUS)
		return vmm__fail(-EOPNOTSUPP, "the caller runs the vCPUs of %s", vm->name);
	if (!vmm__arch_gdb())
		return vmm__fail(-EOPNOTSUPP, "guests of this architecture cannot be debugged");
	return 0;
}

int vmm_debug_open(struct vmm *vm, const struct vmm_debug_config *config, struct vmm_debug **ret_debug)
{
	struct vmm_debug_config c;
	struct vmm_debug *d;
	int r = check(&c, vm, config);

	if (r < 0)
		return r;
	if (!ret_debug)
		return vmm__fail(-EINVAL, "no place for the debugger");
	d = calloc(1, sizeof(*d));
	if (!d)
		return vmm__fail(-ENOMEM, "no memory for a debugger");
	d->vm = vm;
	d->loop = vm->loop;
	d->listen_fd = d->fd = -1;
	vmm_deferred_init(&d->changed, d->loop, changed);

	vmm_loop_enter(d->loop);
	r = vm->debug_server ? vmm__fail(-EBUSY, "gdb can connect to %s already", vm->name) : begin(d, &c);
	if (r < 0) {
		finish(d);
	} else {
		vm->debug_server = d;
		*ret_debug = d;
	}
	vmm_loop_leave(vm->loop);
	return r;
}

void vmm_debug_close(struct vmm_debug *debug)
{
	struct vmm_loop *loop;

	if (!debug)
		return;
	loop = debug->loop;
	vmm_loop_enter(loop);
	debug->vm->debug_server = NULL;
	finish(debug);
	vmm_loop_leave(loop);
}
