import * as z from 'zod';

/** Permissive: servers of ten years send these, and what is missing or null counts as not there. */
const text = z
  .string()
  .nullish()
  .transform((value) => value ?? undefined);
const labels = z.record(z.string(), z.string()).nullish();
const Meta = z.object({
  name: z.string(),
  namespace: z.string().default('default'),
  uid: z.string().default(''),
  labels,
  ownerReferences: z
    .array(z.object({ kind: z.string(), name: z.string(), controller: z.boolean().nullish() }))
    .nullish(),
});

export const PodObject = z.object({
  metadata: Meta,
  spec: z.object({ nodeName: text, hostNetwork: z.boolean().nullish() }).nullish(),
  status: z
    .object({
      phase: text,
      podIP: text,
      podIPs: z.array(z.object({ ip: text })).nullish(),
      conditions: z.array(z.object({ type: z.string(), status: z.string() })).nullish(),
    })
    .nullish(),
});

const TargetPort = z.object({
  name: text,
  protocol: text,
  port: z.number().int(),
  nodePort: z.number().int().nullish(),
});
const LoadBalancer = z
  .object({ loadBalancer: z.object({ ingress: z.array(z.object({ ip: text, hostname: text })).nullish() }).nullish() })
  .nullish();

export const ServiceObject = z.object({
  metadata: Meta,
  spec: z
    .object({
      type: text,
      clusterIP: text,
      clusterIPs: z.array(z.string()).nullish(),
      externalIPs: z.array(z.string()).nullish(),
      ports: z.array(TargetPort).nullish(),
      externalTrafficPolicy: text,
      sessionAffinity: text,
    })
    .nullish(),
  status: LoadBalancer,
});

export const SliceObject = z.object({
  ports: z.array(z.object({ name: text, port: z.number().int().nullish() })).nullish(),
  endpoints: z
    .array(
      z.object({
        addresses: z.array(z.string()).default([]),
        conditions: z.object({ ready: z.boolean().nullish(), terminating: z.boolean().nullish() }).nullish(),
        nodeName: text,
        targetRef: z.object({ kind: text, namespace: text, name: text }).nullish(),
      }),
    )
    .nullish(),
});

const OldAddress = z.object({
  ip: z.string(),
  nodeName: text,
  targetRef: z.object({ kind: text, namespace: text, name: text }).nullish(),
});
/** `v1/Endpoints`, for clusters before 1.21. */
export const EndpointsObject = z.object({
  subsets: z
    .array(
      z.object({
        addresses: z.array(OldAddress).nullish(),
        notReadyAddresses: z.array(OldAddress).nullish(),
        ports: z.array(z.object({ name: text, port: z.number().int() })).nullish(),
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
  metadata: z.object({ name: z.string(), labels }),
  status: z.object({ addresses: z.array(z.object({ type: z.string(), address: z.string() })).nullish() }).nullish(),
});
