/* SPDX-License-Identifier: MIT */
/*
 * user.c - user-mode network: the guest's frames become the host's sockets, by libslirp.
 *
 * One turn is: frames of the guest's or ready sockets go into the stack, the
 * stack's frames go to the guest, then the stack is asked what it wants polled
 * and by when (user_settle()). Its sockets stand in an epoll set of their own
 * (pollset.c), which is all that the loop watches.
 *
 * When the guest takes no frames they wait here, up to a limit; beyond half of
 * it the sockets are left alone, so that their senders feel it; beyond all of
 * it frames are lost, which TCP repairs.
 *
 * Known limits, which are libslirp's. It allocates with glib, which aborts the
 * process when the system has no memory left. A guest can make it hold, beside
 * what user_gate.c counts, a connection's worth of TCP segments that came out of
 * order. Guests that nobody trusts are better given a backend in another process.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <slirp/libslirp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include <libvmm/net.h>
#include "backends/net/frames_priv.h"
#include "backends/net/net_priv.h"
#include "backends/net/pollset_priv.h"
#include "backends/net/sigpipe_priv.h"
#include "backends/net/user_priv.h"
#include "core/config_priv.h"
#include "core/error_priv.h"

#define FROM_GUEST_MAX	64u	/* frames of one turn that are handed to the stack together */
#define TO_GUEST_MAX	512u	/* frames that wait for receive buffers */

struct user {
	struct user_config config;
	struct user_gate gate;
	Slirp *slirp;			/* while attached, as all that follows */
	struct vmm_net_port *port;
	struct vmm_source *source;
	struct vmm_timer *timer;
	uint64_t timer_ns;		/* what it is set to; 0: it is not */
	struct pollset sockets;
	struct frames from_guest;
	struct frames to_guest;
	bool given;			/* the guest was given frames in this turn */
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- frames to the guest ---- */

/* Returns false when the guest has no buffer for it now. */
static bool give(struct user *user, const void *bytes, size_t length)
{
	const struct iovec iov = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = length };
	const struct vmm_net_frame frame = {
		.iov = &iov,
		.nr_iov = 1,
		.length = (uint32_t)length,
	};
	int r = vmm_net_receive(user->port, &frame);

	if (r == 0)
		user->given = true;
	return r != -EAGAIN;
}

/* Watch the sockets only while there is room for what they bring. */
static void watch(struct user *user)
{
	bool room = user->to_guest.nr < TO_GUEST_MAX / 2;

	(void)vmm_source_watch(user->source, room ? EPOLLIN : 0);
}

static void give_waiting(struct user *user)
{
	const struct frame_slot *slot;

	while ((slot = vmm__frames_first(&user->to_guest)) &&
	       give(user, slot->bytes, slot->length))
		vmm__frames_removed(&user->to_guest);
}

/* The stack calls this. It prints when told of a failure, so it is told of none. */
static ssize_t on_send_packet(const void *bytes, size_t length, void *opaque)
{
	struct user *user = opaque;
	struct frame_slot *slot;

	if (length > FRAMES_BYTES ||
	    (user->to_guest.nr == 0 && give(user, bytes, length)))
		return (ssize_t)length;

	slot = vmm__frames_next(&user->to_guest);
	if (slot) {
		memcpy(slot->bytes, bytes, length);
		slot->length = (uint16_t)length;
		vmm__frames_added(&user->to_guest);
	}
	return (ssize_t)length;
}

/* ---- what the stack polls ---- */

static int on_add_poll(int fd, int events, void *opaque)
{
	struct user *user = opaque;
	uint32_t epoll = (events & SLIRP_POLL_IN ? (uint32_t)EPOLLIN : 0) |
			 (events & SLIRP_POLL_OUT ? (uint32_t)EPOLLOUT : 0) |
			 (events & SLIRP_POLL_PRI ? (uint32_t)EPOLLPRI : 0);

	return vmm__pollset_add(&user->sockets, fd, epoll);
}

/*
 * An error or a hang-up is told as what the stack waits for: its read or write
 * finds it. Told as such it makes the stack read, which it asserts to have room
 * for even where it did not ask to.
 */
static int on_get_revents(int index, void *opaque)
{
	const struct user *user = opaque;
	const struct pollset_entry *entry = vmm__pollset_entry(&user->sockets, index);
	uint32_t ready = entry->ready & entry->events;

	if (entry->ready & (EPOLLERR | EPOLLHUP))
		ready |= entry->events & (EPOLLIN | EPOLLOUT);
	return (ready & EPOLLIN ? SLIRP_POLL_IN : 0) | (ready & EPOLLOUT ? SLIRP_POLL_OUT : 0) |
	       (ready & EPOLLPRI ? SLIRP_POLL_PRI : 0);
}

/* Not called for listening sockets, which there are only of our own making. */
static void on_register_fd(int fd, void *opaque)
{
	struct user *user = opaque;

	if (fd < 0)
		return;
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);	/* accept() in the stack does not */
	vmm__pollset_forget(&user->sockets, fd);
	user->gate.nr_sockets++;
}

static void on_unregister_fd(int fd, void *opaque)
{
	struct user *user = opaque;

	if (fd < 0)
		return;
	vmm__pollset_forget(&user->sockets, fd);
	if (user->gate.nr_sockets > 0)
		user->gate.nr_sockets--;
}

static int64_t on_clock(void *opaque)
{
	return (int64_t)now_ns();
}

/* What a guest sends amiss is the guest's affair, and frequent. */
static void on_guest_error(const char *message, void *opaque)
{
}

/* More may be polled now: user_settle() asks after every turn anyway. */
static void on_notify(void *opaque)
{
}

/* The stack has timers only for IPv6, which is off. */
static const SlirpCb callbacks = {
	.send_packet = on_send_packet,
	.guest_error = on_guest_error,
	.clock_get_ns = on_clock,
	.register_poll_fd = on_register_fd,
	.unregister_poll_fd = on_unregister_fd,
	.notify = on_notify,
};

/* ---- turns ---- */

/*
 * Set the timer, unless it comes early enough: an early one finds nothing to do.
 * The stack asks for a wake-up though it has only listening sockets, and for one
 * each second though it has nothing. An idle guest is left alone.
 */
static void set_timer(struct user *user, uint32_t timeout_ms)
{
	uint64_t now = now_ns();
	uint64_t at = now + (uint64_t)timeout_ms * 1000000u;

	if (user->gate.nr_sockets == 0 ||
	    (user->timer_ns > now && user->timer_ns <= at))
		return;
	user->timer_ns = at;
	vmm_timer_set(user->timer, at);
}

/* The end of a turn: what to wait for now, and one interrupt for all frames. */
static void user_settle(struct user *user)
{
	uint32_t timeout_ms = UINT32_MAX;

	vmm__pollset_begin(&user->sockets);
	slirp_pollfds_fill(user->slirp, &timeout_ms, on_add_poll, user);
	vmm__pollset_end(&user->sockets);
	set_timer(user, timeout_ms);
	watch(user);

	if (user->given) {
		user->given = false;
		vmm_net_receive_commit(user->port, 0);
	}
}

/*
 * One turn: the guest's frames, then the sockets that are ready. Also without
 * any: this tells the stack the time, and sends what waited for an answer to ARP.
 */
static void user_turn(struct user *user)
{
	const struct frame_slot *slot;
	sigset_t before;

	vmm__sigpipe_hold(&before);
	while ((slot = vmm__frames_first(&user->from_guest))) {
		if (vmm__user_gate_admits(&user->gate, slot->bytes, slot->length))
			slirp_input(user->slirp, slot->bytes, slot->length);
		vmm__frames_removed(&user->from_guest);
	}
	slirp_pollfds_poll(user->slirp, 0, on_get_revents, user);
	user_settle(user);
	vmm__sigpipe_release(&before);
}

static void user_ready(void *data, uint32_t revents)
{
	struct user *user = data;

	vmm__pollset_poll(&user->sockets);
	user_turn(user);
}

static void user_expired(void *data)
{
	struct user *user = data;

	user->timer_ns = 0;
	vmm__pollset_clear(&user->sockets);
	user_turn(user);
}

static void user_commit(void *state, uint32_t queue)
{
	struct user *user = state;

	vmm__pollset_clear(&user->sockets);
	if (user->from_guest.nr > 0)
		user_turn(user);
}

/* The frame is copied before anybody looks at it: the guest may still change it. */
static int user_transmit(void *state, const struct vmm_net_frame *frame)
{
	struct user *user = state;
	struct frame_slot *slot;
	size_t at = 0;

	if (frame->length > FRAMES_BYTES)
		return 0;	/* over the MTU: lost */

	slot = vmm__frames_next(&user->from_guest);
	if (!slot) {
		user_commit(user, 0);
		slot = vmm__frames_next(&user->from_guest);
	}
	for (uint32_t i = 0; i < frame->nr_iov; i++) {
		memcpy(slot->bytes + at, frame->iov[i].iov_base, frame->iov[i].iov_len);
		at += frame->iov[i].iov_len;
	}
	slot->length = (uint16_t)at;
	vmm__frames_added(&user->from_guest);
	return 0;
}

static void user_receivable(void *state, uint32_t queue)
{
	struct user *user = state;

	give_waiting(user);
	watch(user);
	if (user->given) {
		user->given = false;
		vmm_net_receive_commit(user->port, 0);
	}
}

/* ---- life ---- */

/*
 * The first stack of a process also fills variables of the library's own, and
 * others must not run before it has. (Later it shares but a clock and the address
 * of the name server, each one word that is as good old as new.)
 */
static Slirp *slirp_make(struct user *user)
{
	static pthread_mutex_t first = PTHREAD_MUTEX_INITIALIZER;
	const struct user_config *c = &user->config;
	const SlirpConfig config = {
		.version = 4,
		.restricted = c->restrict_guest,
		.in_enabled = true,
		.vnetwork = c->network,
		.vnetmask = c->mask,
		.vhost = c->host,
		.vhostname = c->hostname[0] ? c->hostname : NULL,
		.vdhcp_start = c->dhcp,
		.vnameserver = c->dns,
		.disable_host_loopback = c->no_host,
	};
	Slirp *slirp;

	pthread_mutex_lock(&first);
	slirp = slirp_new(&config, &callbacks, user);
	pthread_mutex_unlock(&first);
	return slirp;
}

static int add_forward(struct user *user, const struct user_forward *f)
{
	char address[INET_ADDRSTRLEN];

	if (slirp_add_hostfwd(user->slirp, f->udp, f->host, f->host_port, f->guest,
			      f->guest_port) == 0)
		return 0;

	inet_ntop(AF_INET, &f->host, address, sizeof(address));
	return vmm__fail_errno("cannot forward %s port %u of %s", f->udp ? "UDP" : "TCP",
			       f->host_port, address);
}

static int add_forwards(struct user *user)
{
	for (uint32_t i = 0; i < user->config.nr_forwards; i++) {
		int r = add_forward(user, &user->config.forwards[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

static void user_detach(void *state)
{
	struct user *user = state;

	vmm_source_remove(user->source);
	vmm_timer_remove(user->timer);
	if (user->slirp)
		slirp_cleanup(user->slirp);
	vmm__pollset_finish(&user->sockets);
	vmm__frames_finish(&user->from_guest);
	vmm__frames_finish(&user->to_guest);
	user->source = NULL;
	user->timer = NULL;
	user->timer_ns = 0;
	user->slirp = NULL;
	user->port = NULL;
}

static int user_open(struct user *user, struct vmm_loop *loop)
{
	int r;

	r = vmm__frames_init(&user->from_guest, FROM_GUEST_MAX);
	if (r == 0)
		r = vmm__frames_init(&user->to_guest, TO_GUEST_MAX);
	if (r == 0)
		r = vmm__pollset_init(&user->sockets);
	if (r < 0)
		return r;

	user->slirp = slirp_make(user);
	if (!user->slirp)
		return vmm__fail(-EINVAL, "libslirp %s refuses its config", slirp_version_string());
	r = add_forwards(user);
	if (r == 0)
		r = vmm_loop_add_timer(loop, user_expired, user, &user->timer);
	if (r == 0)
		r = vmm_loop_add_fd(loop, user->sockets.fd, EPOLLIN, user_ready, user,
				    &user->source);
	return r;
}

static int user_attach(void *state, struct vmm_net_port *port, struct vmm_loop *loop)
{
	struct user *user = state;
	int r;

	user->port = port;
	user->sockets.fd = -1;
	vmm__user_gate_init(&user->gate, user->config.host);
	r = user_open(user, loop);
	if (r < 0) {
		user_detach(user);
		return r;
	}

	/* Have the stack know the time, and its forwards polled. */
	user_turn(user);
	return 0;
}

static void user_destroy(void *state)
{
	struct user *user = state;

	vmm__user_config_finish(&user->config);
	free(user);
}

static const struct vmm_net_ops user_ops = {
	.size = sizeof(struct vmm_net_ops),
	.name = "user",
	.attach = user_attach,
	.transmit = user_transmit,
	.commit = user_commit,
	.receivable = user_receivable,
	.detach = user_detach,
	.destroy = user_destroy,
};

int vmm_net_open_user(const struct vmm_net_user_config *config, struct vmm_netdev **ret_netdev)
{
	struct vmm_net_user_config c;
	struct user *user;
	int r;

	if (!config || !ret_netdev)
		return vmm__fail(-EINVAL, "vmm_net_open_user: a config and a place for the result");
	r = vmm__config_copy(&c, sizeof(c), config, config->size, sizeof(size_t));
	if (r < 0)
		return r;

	user = calloc(1, sizeof(*user));
	if (!user)
		return vmm__fail(-ENOMEM, "no memory for a user network");
	r = vmm__user_config_init(&user->config, &c);
	if (r == 0)
		r = vmm_net_create(&user_ops, user, NULL, ret_netdev);
	if (r < 0)
		user_destroy(user);
	return r;
}
