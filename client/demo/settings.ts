/** One viewer's settings for the display of comments. */
export interface DisplaySettings {
  /** Whether comments are shown. Off consumes nothing. */
  readonly on: boolean;
  /** Whether a comment without a free place is drawn over others. */
  readonly overlap: boolean;
  /** Percent. */
  readonly opacity: number;
  /** Most publications a second that the server is asked for; `densityMax` asks for all. */
  readonly density: number;
  /** How far the viewer's player is behind the live picture, in seconds: comments are held back as long. */
  readonly behind: number;
  /** Most comments on the screen at a time. */
  readonly screenMax: number;
  /** Stay of a comment on the screen, in seconds. */
  readonly seconds: number;
  /** Percent of each comment's own size. */
  readonly scale: number;
}

/** Lowest density of a gateway, in publications a second (docs/protocol.md, `density`). */
export const densityMin = 5;
/** Highest position of the density slider: no bound. */
export const densityMax = 200;
/** The density that the server is asked for at "no bound". */
export const densityUnbounded = 100_000;

/** Bounds and default of each slider. */
export const settingBounds = {
  opacity: { min: 10, max: 100, step: 5, initial: 100 },
  density: { min: densityMin, max: densityMax, step: 1, initial: densityMax },
  behind: { min: 0, max: 30, step: 1, initial: 0 },
  screenMax: { min: 10, max: 300, step: 10, initial: 160 },
  seconds: { min: 4, max: 20, step: 1, initial: 9 },
  scale: { min: 50, max: 200, step: 10, initial: 100 },
} as const;
export type SliderName = keyof typeof settingBounds;
export const sliderNames = Object.keys(settingBounds) as SliderName[];

const storageKey = 'barrage.display';

/**
 * The settings of the last visit, if the browser kept them. A setting that is missing or out of bounds has its default.
 */
export function loadSettings(): DisplaySettings {
  let stored: Record<string, unknown> = {};
  try {
    const value: unknown = JSON.parse(localStorage.getItem(storageKey) ?? '{}');
    if (typeof value === 'object' && value !== null) stored = value as Record<string, unknown>;
  } catch {
    // A browser may refuse storage: then the defaults are used.
  }
  const slider = (name: SliderName): number => {
    const { min, max, initial } = settingBounds[name];
    const value = stored[name];
    return typeof value === 'number' && value >= min && value <= max ? value : initial;
  };
  return {
    on: stored['on'] !== false,
    overlap: stored['overlap'] === true,
    opacity: slider('opacity'),
    density: slider('density'),
    behind: slider('behind'),
    screenMax: slider('screenMax'),
    seconds: slider('seconds'),
    scale: slider('scale'),
  };
}

export function saveSettings(settings: DisplaySettings): void {
  try {
    localStorage.setItem(storageKey, JSON.stringify(settings));
  } catch {
    // A browser may refuse storage: then the settings are for this visit only.
  }
}
