import { element } from './element.ts';
import { densityMax, settingBounds, sliderNames, type DisplaySettings, type SliderName } from './settings.ts';

/** Joins the sliders and the switches of the page with the settings. Each change hands over all settings. */
export function bindDisplayPanel(initial: DisplaySettings, changed: (settings: DisplaySettings) => void): void {
  let settings = initial;
  const change = (part: Partial<DisplaySettings>): void => {
    settings = { ...settings, ...part };
    changed(settings);
  };
  const power = element('switch', HTMLInputElement);
  power.checked = settings.on;
  power.addEventListener('change', () => change({ on: power.checked }));
  const overlap = element('setting-overlap', HTMLInputElement);
  overlap.checked = settings.overlap;
  overlap.addEventListener('change', () => change({ overlap: overlap.checked }));
  for (const name of sliderNames) {
    const slider = element(`setting-${name}`, HTMLInputElement);
    const output = element(`setting-${name}-value`, HTMLOutputElement);
    const { min, max, step } = settingBounds[name];
    slider.min = String(min);
    slider.max = String(max);
    slider.step = String(step);
    const show = (): void => {
      const words = inWords(name, slider.valueAsNumber);
      output.value = words;
      slider.setAttribute('aria-valuetext', words);
      slider.style.setProperty('--filled', `${((slider.valueAsNumber - min) / (max - min)) * 100}%`);
    };
    slider.valueAsNumber = settings[name];
    show();
    slider.addEventListener('input', () => {
      show();
      change({ [name]: slider.valueAsNumber });
    });
  }
}

function inWords(name: SliderName, value: number): string {
  switch (name) {
    case 'opacity':
    case 'scale':
      return `${value} %`;
    case 'density':
      return value === densityMax ? 'all' : `${value} a second`;
    case 'behind':
      return value === 0 ? 'live' : `${value} s`;
    case 'screenMax':
      return String(value);
    case 'seconds':
      return `${value} s`;
  }
}
