import * as z from 'zod';

/** A host name as resolvers take it (RFC 1035 2.3.4: 253 characters), with or without the dot of the root. */
export const DnsName = z
  .string()
  .max(253)
  .regex(
    /^[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?$/,
    'a DNS name',
  );
