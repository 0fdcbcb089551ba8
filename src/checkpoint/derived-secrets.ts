/**
 * Where the value in use of a derived secret comes from: a row of the database; the application's environment; the file of
 * an earlier run; or nothing but the current key.
 */
export const derivedSources = ['row', 'environment', 'earlier-run', 'current-key'] as const;
export type DerivedSource = (typeof derivedSources)[number];

/** The secrets that the application derives from its key, without their values. */
export interface DerivedSecrets {
  /** Has the values of the last two sources. Null: it was not needed, or not written yet. */
  readonly file: string | null;
  /** The file of an earlier run that was found. */
  readonly earlierFile: string | null;
  /** Whether the application's environment was given. */
  readonly environmentGiven: boolean;
  readonly secrets: readonly { readonly setting: string; readonly source: DerivedSource }[];
}
