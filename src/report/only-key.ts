/** The one key that all values are under after a run that leaves the master key as it is (`Job.only`). */
export function onlyText(only: string): string {
  return only === 'primary'
    ? 'the instance key itself (legacy format)'
    : `data key ${only.replace('data:', '')}`;
}
