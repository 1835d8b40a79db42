/* SPDX-License-Identifier: MIT */
/* frames.c - a ring of frame slots. */
#include <errno.h>
#include <stdlib.h>

#include "backends/net/frames_priv.h"
#include "core/error_priv.h"

int vmm__frames_init(struct frames *frames, uint32_t max)
{
	*frames = (struct frames){ .max = max };
	frames->slots = calloc(max, sizeof(*frames->slots));
	if (!frames->slots)
		return vmm__fail(-ENOMEM, "no memory for a queue of %u frames", max);
	return 0;
}

void vmm__frames_finish(struct frames *frames)
{
	free(frames->slots);
	*frames = (struct frames){ 0 };
}

struct frame_slot *vmm__frames_next(struct frames *frames)
{
	if (frames->nr == frames->max)
		return NULL;
	return &frames->slots[(frames->first + frames->nr) % frames->max];
}

void vmm__frames_added(struct frames *frames)
{
	frames->nr++;
}

const struct frame_slot *vmm__frames_first(const struct frames *frames)
{
	return frames->nr > 0 ? &frames->slots[frames->first] : NULL;
}

void vmm__frames_removed(struct frames *frames)
{
	frames->first = (frames->first + 1) % frames->max;
	frames->nr--;
}
