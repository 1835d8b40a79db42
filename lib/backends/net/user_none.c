/* SPDX-License-Identifier: MIT */
/* user_none.c - in the place of user.c where there is no libslirp. */
#include <errno.h>

#include <libvmm/net.h>
#include "core/error_priv.h"

int vmm_net_open_user(const struct vmm_net_user_config *config, struct vmm_netdev **ret_netdev)
{
	return vmm__fail(-EOPNOTSUPP, "libvmm was built without libslirp: no user-mode network");
}
