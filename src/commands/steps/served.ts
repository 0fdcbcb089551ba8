import type { Options } from 'yargs';
import type { Health } from '../../metrics/health.ts';
import { HealthFile } from '../../metrics/health-file.ts';
import type { RunMetrics } from '../../metrics/run-metrics.ts';
import { StatusServer } from '../../metrics/status-server.ts';
import type { Context } from '../command.ts';
import { count, groups } from '../options/options.ts';

const group = groups.monitoring;
const local = '127.0.0.1';

export const metricsOptions = {
  'metrics-port': {
    type: 'string',
    requiresArg: true,
    group,
    describe: 'serve Prometheus metrics on this port at /metrics; 0: any free port',
  },
  'metrics-host': {
    type: 'string',
    requiresArg: true,
    group,
    describe: `address to serve metrics on [default: ${local}]`,
  },
} as const satisfies Record<string, Options>;

export const healthOptions = {
  'health-file': {
    type: 'string',
    requiresArg: true,
    group,
    describe: 'rewrite this file every few seconds while the worker is healthy',
  },
  'health-port': {
    type: 'string',
    requiresArg: true,
    group,
    describe:
      'answer health checks on this port at /health with 200 or 503; may be the metrics port; 0: any free port',
  },
  'health-host': {
    type: 'string',
    requiresArg: true,
    group,
    describe: `address to answer health checks on [default: ${local}]`,
  },
} as const satisfies Record<string, Options>;

export interface ServedArguments {
  readonly metricsPort?: string | undefined;
  readonly metricsHost?: string | undefined;
  readonly healthFile?: string | undefined;
  readonly healthPort?: string | undefined;
  readonly healthHost?: string | undefined;
}

/** Null when nobody asks for metrics: the library is then not loaded. */
export async function metricsFor(
  { metricsPort }: ServedArguments,
  role: 'coordinator' | 'worker',
): Promise<RunMetrics | null> {
  if (metricsPort === undefined) return null;
  const { RunMetrics } = await import('../../metrics/run-metrics.ts');
  return new RunMetrics(role);
}

/** Serves metrics and health checks for the duration of `work`, if their options are given. */
export async function withServed<T>(
  { terminal }: Context,
  args: ServedArguments,
  metrics: RunMetrics | null,
  health: (() => Health) | null,
  work: () => Promise<T>,
): Promise<T> {
  const metricsPort = count(args.metricsPort, '--metrics-port', 0);
  const healthPort = health === null ? undefined : count(args.healthPort, '--health-port', 0);
  const metricsHost = args.metricsHost ?? local;
  const healthHost = args.healthHost ?? local;
  const open: { close(): void | Promise<void> }[] = [];
  const serve = async (
    host: string,
    port: number,
    what: readonly ('metrics' | 'health')[],
  ): Promise<void> => {
    const server = await StatusServer.listen(host, port, {
      ...(what.includes('metrics') && metrics !== null && { metrics }),
      ...(what.includes('health') && health !== null && { health }),
    });
    open.push(server);
    for (const each of what) terminal.say(`${each} at ${server.url}/${each}`);
  };
  try {
    const together = metricsPort === healthPort && metricsHost === healthHost;
    if (metricsPort !== undefined)
      await serve(metricsHost, metricsPort, together ? ['metrics', 'health'] : ['metrics']);
    if (healthPort !== undefined && !together) await serve(healthHost, healthPort, ['health']);
    if (health !== null && args.healthFile !== undefined) open.push(new HealthFile(args.healthFile, health));
    return await work();
  } finally {
    for (const each of open) await each.close();
  }
}
