/* SPDX-License-Identifier: MIT */
/*
 * nets.h - networks: --net, and what stands behind each.
 */
#ifndef VMM_RUN_NETS_H
#define VMM_RUN_NETS_H

#include "options.h"

/* Read the value of --net, which is cut up. Returns as options_parse(). */
int nets_parse(struct options *options, char *text);

/* Open what is behind @net. Returns 0 or -errno; *@ret_hint says what may help, or is NULL. */
int nets_open(const struct options *options, const struct net_option *net,
	      struct vmm_netdev **ret_netdev, const char **ret_hint);

#endif
