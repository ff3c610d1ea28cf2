import { Skeleton } from '@mantine/core';
import type { UseQueryResult } from '@tanstack/react-query';
import { type ReactNode, useMemo } from 'react';
import { type Answer, useGet } from '@/api/client';
import { gatewayTime } from '@/api/clock';
import { Failure } from '@/shared/states';
import { HealthStrip } from './HealthStrip';
import { type Strips, stripsOf } from './strip';

/** The most checks that the gateway gives at once. */
const HISTORY = 1_000;

export interface LastHours {
  asked: UseQueryResult<Answer<'/health/history'>>;
  /** The hour of each deployment, once the checks are there. */
  strips: Strips | undefined;
}

/** The checks of the last hour of all deployments. The hour ends when they were read, by the gateway's clock. */
export function useLastHours(): LastHours {
  const asked = useGet('/health/history', { limit: HISTORY }, { everyMs: 60_000 });
  const { data, dataUpdatedAt } = asked;
  const strips = useMemo(() => data && stripsOf(data.health_checks, data.total_records <= data.health_checks.length, gatewayTime(dataUpdatedAt)), [data, dataUpdatedAt]);
  return { asked, strips };
}

/** A deployment's hour in a table: its strip, or why there is none. */
export function LastHour({ of, id }: { of: LastHours; id: string }): ReactNode {
  const { asked, strips } = of;
  if (strips === undefined) return <Awaited of={asked} />;
  const cells = strips.of(id);
  return cells ? <HealthStrip cells={cells} /> : <span className="dim">no checks</span>;
}

/** In place of a cell whose answer is not there: it is on its way, or it failed. */
export function Awaited({ of }: { of: UseQueryResult<unknown> }): ReactNode {
  if (of.isError) return <span className="dim">not read</span>;
  return <Skeleton height={16} width={82} radius="sm" role="status" aria-busy="true" aria-label="Loading" />;
}

/** What failed of the checks, once for all rows, with a retry of all that failed. */
export function ChecksFailure({ of }: { of: readonly UseQueryResult<unknown>[] }): ReactNode {
  const failed = of.filter((each) => each.isError && each.data === undefined);
  if (failed.length === 0) return null;
  return <Failure error={failed[0]!.error} retry={() => failed.forEach((each) => void each.refetch())} />;
}
