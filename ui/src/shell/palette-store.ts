import { createSpotlight } from '@mantine/spotlight';

export const [paletteStore, palette] = createSpotlight();
export function openSpotlight(): void {
  palette.open();
}

/** What the current page can do with what is selected; shown first in the palette. */
export type PaletteAction = { id: string; label: string; detail?: string; key?: string; run: () => void };
let actions: PaletteAction[] = [];
export function setPageActions(a: PaletteAction[]): void {
  actions = a;
}
export function pageActions(): PaletteAction[] {
  return actions;
}
