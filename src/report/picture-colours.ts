/**
 * Colours after Okabe and Ito (2008), told apart with every common kind of colour blindness; darker or lighter where
 * text stands on the ground. Shape says the same: what dies is dashed or ends in a cross, and a word stands beside it.
 */
const light = {
  ground: '#ffffff',
  ink: '#1f2933',
  muted: '#66727f',
  lane: '#b8c2cc',
  box: '#f1f4f7',
  dies: '#c23b00',
  'dies-soft': '#fbe6dc',
  lives: '#0072b2',
  again: '#966400',
  hole: '#93347f',
  'on-dies': '#ffffff',
};
export type PictureColours = typeof light;

const dark: PictureColours = {
  ground: '#14191f',
  ink: '#e4e9ee',
  muted: '#93a1af',
  lane: '#4a5662',
  box: '#212932',
  dies: '#ff8a57',
  'dies-soft': '#3b2018',
  lives: '#63bdf0',
  again: '#efb643',
  hole: '#e39bd3',
  'on-dies': '#2a1006',
};

export const pictureColours = { light, dark } as const satisfies Readonly<Record<'light' | 'dark', PictureColours>>;
