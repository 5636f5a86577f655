/**
 * Where the administrator of a node puts what `netcheck sudoers --wrapper` prints. Where it is, commands that need root
 * go through it; where it is not, sudo is asked for the command itself.
 */
export const rootWrapper = '/usr/local/sbin/netcheck-as-root';
