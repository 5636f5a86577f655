import * as z from 'zod';
import { IpAddress, Port } from '../../model/inventory.ts';

/** Permissive: servers of ten years send these, and what is missing or null counts as not there. */
const text = z
  .string()
  .nullish()
  .transform((value) => value ?? undefined);
/** What becomes part of a plan is what the API server lets be stored, and nothing else: whoever writes objects is not trusted. */
const address = z
  .string()
  .nullish()
  .transform((value) => (IpAddress.safeParse(value).success ? (value ?? undefined) : undefined));
const addresses = z
  .array(z.string())
  .nullish()
  .transform((all) => all?.filter((one) => IpAddress.safeParse(one).success));
/** RFC 1123 names, and what may stand behind them in the names of EndpointSlices and events. */
const objectName = z
  .string()
  .max(253)
  .regex(/^[a-z0-9](?:[a-z0-9.:-]*[a-z0-9])?$/i);
const nodeName = objectName
  .nullish()
  .catch(undefined)
  .transform((value) => value ?? undefined);
const labels = z.record(z.string(), z.string()).nullish();
const Meta = z.object({
  name: objectName,
  namespace: objectName.default('default'),
  uid: z
    .string()
    .regex(/^[0-9a-z-]{0,64}$/i)
    .catch(''),
  labels,
  ownerReferences: z
    .array(z.object({ kind: z.string(), name: z.string(), controller: z.boolean().nullish() }))
    .nullish(),
});

export const PodObject = z.object({
  metadata: Meta,
  spec: z.object({ nodeName, hostNetwork: z.boolean().nullish() }).nullish(),
  status: z
    .object({
      phase: text,
      podIP: address,
      podIPs: z.array(z.object({ ip: address })).nullish(),
      conditions: z.array(z.object({ type: z.string(), status: z.string() })).nullish(),
    })
    .nullish(),
});

const TargetPort = z.object({
  name: text,
  protocol: text,
  port: Port,
  nodePort: z.number().int().min(0).max(65_535).nullish(),
});
const LoadBalancer = z
  .object({
    loadBalancer: z.object({ ingress: z.array(z.object({ ip: address, hostname: text })).nullish() }).nullish(),
  })
  .nullish();

export const ServiceObject = z.object({
  metadata: Meta,
  spec: z
    .object({
      type: text,
      clusterIP: address,
      clusterIPs: addresses,
      externalIPs: addresses,
      ports: z.array(TargetPort).nullish(),
      externalTrafficPolicy: text,
      sessionAffinity: text,
    })
    .nullish(),
  status: LoadBalancer,
});

const Reference = z.object({ kind: text, namespace: objectName.nullish().catch(undefined), name: nodeName });

export const SliceObject = z.object({
  ports: z.array(z.object({ name: text, port: Port.nullish() })).nullish(),
  endpoints: z
    .array(
      z.object({
        addresses: addresses.transform((all) => all ?? []),
        conditions: z.object({ ready: z.boolean().nullish(), terminating: z.boolean().nullish() }).nullish(),
        nodeName,
        targetRef: Reference.nullish(),
      }),
    )
    .nullish(),
});

const OldAddress = z.object({
  ip: IpAddress,
  nodeName,
  targetRef: Reference.nullish(),
});
/** `v1/Endpoints`, for clusters before 1.21. */
export const EndpointsObject = z.object({
  subsets: z
    .array(
      z.object({
        addresses: z.array(OldAddress).nullish(),
        notReadyAddresses: z.array(OldAddress).nullish(),
        ports: z.array(z.object({ name: text, port: Port })).nullish(),
      }),
    )
    .nullish(),
});

export const DeploymentObject = z.object({
  metadata: Meta,
  spec: z.object({
    selector: z.object({
      matchLabels: labels,
      matchExpressions: z
        .array(z.object({ key: z.string(), operator: z.string(), values: z.array(z.string()).nullish() }))
        .nullish(),
    }),
  }),
});

export const IngressObject = z.object({
  metadata: Meta,
  spec: z
    .object({
      rules: z.array(z.object({ host: text })).nullish(),
      tls: z.array(z.object({ hosts: z.array(z.string()).nullish() })).nullish(),
    })
    .nullish(),
  status: LoadBalancer,
});

export const NodeObject = z.object({
  metadata: z.object({ name: objectName, labels }),
  status: z
    .object({ addresses: z.array(z.object({ type: z.string(), address: z.string().max(253) })).nullish() })
    .nullish(),
});
