/* SPDX-License-Identifier: MIT */
/*
 * plic.c - the registers and the rules of a PLIC (RISC-V Platform-Level Interrupt Controller
 * Specification 1.0.0).
 *
 * Sources are bits of one word. A source's gateway lets one request through and is shut
 * until the hart that claimed it says that it is done (chapter 4); an edge that comes
 * meanwhile waits at the gateway.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "arch/riscv64/plic_priv.h"
#include "core/error_priv.h"

#define PRIORITY_END	0x1000u		/* a register for each source */
#define PENDING		0x1000u		/* a bit for each source */
#define PENDING_END	0x1080u
#define ENABLE		0x2000u		/* a bit for each source, contexts 0x80 apart */
#define ENABLE_STRIDE	0x80u
#define CONTEXT		0x200000u	/* threshold and claim, contexts 0x1000 apart */
#define CONTEXT_STRIDE	0x1000u
#define CLAIM		4u

#define PRIORITY_MAX	7u		/* priorities are WARL of three bits */
#define ALL_SOURCES	(~0ull << 1)

struct context {
	uint64_t enabled;
	uint8_t threshold;
	bool raised;		/* what the hart was told last */
};

struct plic {
	struct plic_config config;
	pthread_mutex_t lock;	/* of what follows */
	uint64_t lines;		/* wires that are up */
	uint64_t edges;		/* edges that wait at their gateway */
	uint64_t pending;
	uint64_t claimed;	/* gateways that are shut */
	uint8_t priority[PLIC_SOURCES + 1];
	struct context contexts[];
};

/* ---- with the lock ---- */

static void gateways(struct plic *p)
{
	uint64_t through = (p->lines | p->edges) & ~p->claimed & ~p->pending;

	p->pending |= through;
	p->edges &= ~through;
}

/* The most urgent of @sources, the lowest of equals (chapter 5); 0: none is above @threshold. */
static uint32_t most_urgent(const struct plic *p, uint64_t sources, uint32_t threshold)
{
	uint32_t best = 0;

	while (sources) {
		uint32_t source = (uint32_t)__builtin_ctzll(sources);

		sources &= sources - 1;
		if (p->priority[source] > threshold) {
			threshold = p->priority[source];
			best = source;
		}
	}
	return best;
}

/* Tell a hart; with @again even what it was told before, since starting it makes it forget. */
static void notify(struct plic *p, uint32_t hart, bool again)
{
	struct context *c = &p->contexts[hart];
	bool raise = most_urgent(p, p->pending & c->enabled, c->threshold) != 0;

	if (raise == c->raised && !again)
		return;
	c->raised = raise;
	p->config.drive(p->config.data, hart, raise);
}

static void update(struct plic *p)
{
	gateways(p);
	for (uint32_t hart = 0; hart < p->config.nr_harts; hart++)
		notify(p, hart, false);
}

/* Chapter 8: the threshold has no say in a claim. */
static uint32_t claim(struct plic *p, const struct context *c)
{
	uint32_t source = most_urgent(p, p->pending & c->enabled, 0);

	if (source) {
		p->pending &= ~(1ull << source);
		p->claimed |= 1ull << source;
	}
	return source;
}

/* Chapter 9: of a source that is not enabled here it means nothing. */
static void complete(struct plic *p, const struct context *c, uint32_t source)
{
	if (source <= PLIC_SOURCES && (c->enabled >> source & 1))
		p->claimed &= ~(1ull << source);
}

static uint32_t half(uint64_t bits, uint64_t offset)
{
	return offset == 0 ? (uint32_t)bits : offset == 4 ? (uint32_t)(bits >> 32) : 0;
}

/* ---- registers, of 32 bits, with the lock ---- */

/* The context of a register among those @stride apart from @base on; its offset there. */
static struct context *context_at(struct plic *p, uint64_t offset, uint64_t base, uint64_t stride,
				  uint64_t *ret_offset)
{
	uint64_t hart = (offset - base) / stride;

	*ret_offset = (offset - base) % stride;
	return hart < p->config.nr_harts ? &p->contexts[hart] : NULL;
}

static uint32_t reg_read(struct plic *p, uint64_t offset)
{
	struct context *c;
	uint64_t at;
	uint32_t source;

	if (offset < PRIORITY_END)
		return offset / 4 <= PLIC_SOURCES ? p->priority[offset / 4] : 0;
	if (offset < PENDING_END)
		return half(p->pending, offset - PENDING);
	if (offset >= ENABLE && offset < CONTEXT) {
		c = context_at(p, offset, ENABLE, ENABLE_STRIDE, &at);
		return c ? half(c->enabled, at) : 0;
	}
	if (offset < CONTEXT)
		return 0;

	c = context_at(p, offset, CONTEXT, CONTEXT_STRIDE, &at);
	if (!c || at > CLAIM)
		return 0;
	if (at == 0)
		return c->threshold;
	source = claim(p, c);
	update(p);
	return source;
}

static void context_write(struct plic *p, uint64_t offset, uint32_t value)
{
	uint64_t at;
	struct context *c = context_at(p, offset, CONTEXT, CONTEXT_STRIDE, &at);

	if (!c)
		return;
	if (at == 0)
		c->threshold = value & PRIORITY_MAX;
	else if (at == CLAIM)
		complete(p, c, value);
	gateways(p);
	notify(p, (uint32_t)(c - p->contexts), true);
}

static void enable_write(struct plic *p, uint64_t offset, uint32_t value)
{
	uint64_t at;
	struct context *c = context_at(p, offset, ENABLE, ENABLE_STRIDE, &at);

	if (!c || at > 4)
		return;
	if (at == 0)
		c->enabled = (c->enabled & ~(uint64_t)UINT32_MAX) | value;
	else
		c->enabled = (c->enabled & UINT32_MAX) | (uint64_t)value << 32;
	c->enabled &= ALL_SOURCES;
}

static void reg_write(struct plic *p, uint64_t offset, uint32_t value)
{
	if (offset < PRIORITY_END) {
		if (offset / 4 >= 1 && offset / 4 <= PLIC_SOURCES)
			p->priority[offset / 4] = value & PRIORITY_MAX;
	} else if (offset >= CONTEXT) {
		context_write(p, offset, value);
	} else if (offset >= ENABLE) {
		enable_write(p, offset, value);
	}
	update(p);
}

static uint64_t plic_read(void *state, uint64_t offset, uint32_t width)
{
	struct plic *p = state;
	uint32_t value;

	if (width != 4 || offset % 4 != 0)
		return 0;
	pthread_mutex_lock(&p->lock);
	value = reg_read(p, offset);
	pthread_mutex_unlock(&p->lock);
	return value;
}

static void plic_write(void *state, uint64_t offset, uint32_t width, uint64_t value)
{
	struct plic *p = state;

	if (width != 4 || offset % 4 != 0)
		return;
	pthread_mutex_lock(&p->lock);
	reg_write(p, offset, (uint32_t)value);
	pthread_mutex_unlock(&p->lock);
}

const struct vmm_range_ops vmm__plic_range = {
	.size = sizeof(struct vmm_range_ops),
	.name = "plic",
	.read = plic_read,
	.write = plic_write,
};

/* ---- wires ---- */

void vmm__plic_set_line(struct plic *p, uint32_t source, bool level)
{
	if (source == 0 || source > PLIC_SOURCES)
		return;
	pthread_mutex_lock(&p->lock);
	/* A request that is through the gateway stays when the wire goes down (chapter 4). */
	if (level)
		p->lines |= 1ull << source;
	else
		p->lines &= ~(1ull << source);
	update(p);
	pthread_mutex_unlock(&p->lock);
}

void vmm__plic_pulse(struct plic *p, uint32_t source)
{
	if (source == 0 || source > PLIC_SOURCES)
		return;
	pthread_mutex_lock(&p->lock);
	p->edges |= 1ull << source;
	update(p);
	pthread_mutex_unlock(&p->lock);
}

/* ---- life ---- */

int vmm__plic_create(const struct plic_config *config, struct plic **ret_plic)
{
	struct plic *p = calloc(1, sizeof(*p) + config->nr_harts * sizeof(p->contexts[0]));

	if (!p)
		return vmm__fail(-ENOMEM, "no memory for an interrupt controller");
	p->config = *config;
	pthread_mutex_init(&p->lock, NULL);
	*ret_plic = p;
	return 0;
}

void vmm__plic_destroy(struct plic *p)
{
	if (!p)
		return;
	pthread_mutex_destroy(&p->lock);
	free(p);
}

void vmm__plic_reset(struct plic *p)
{
	pthread_mutex_lock(&p->lock);
	p->edges = p->pending = p->claimed = 0;
	for (uint32_t i = 0; i <= PLIC_SOURCES; i++)
		p->priority[i] = 0;
	for (uint32_t hart = 0; hart < p->config.nr_harts; hart++) {
		p->contexts[hart] = (struct context){ .enabled = 0 };
		notify(p, hart, true);
	}
	gateways(p);
	pthread_mutex_unlock(&p->lock);
}
