// One toast at a time: a past-tense sentence, and Undo where there is one. `Z` undoes the last thing.
import { Button } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { ApiError, NetworkError } from '../api/client';
import { Kbd } from './bits';

const CLOSE = { 'aria-label': 'Close the message' };
let undo: { run: () => void; until: number } | null = null;

export function toast(text: string, onUndo?: () => void): void {
  undo = onUndo ? { run: onUndo, until: Date.now() + 600_000 } : null;
  notifications.clean();
  notifications.show({
    withBorder: false,
    closeButtonProps: CLOSE,
    message: (
      <span className="row" role="status">
        <span className="grow">{text}</span>
        {onUndo && <Button size="xs" variant="default" onClick={undoLast}>Undo <span style={{ marginLeft: 6 }}><Kbd>Z</Kbd></span></Button>}
      </span>
    ),
  });
}
export function undoLast(): void {
  if (!undo || undo.until < Date.now()) return;
  const u = undo;
  undo = null;
  notifications.clean();
  u.run();
}
/** An action failed: stays until closed. */
export function toastError(what: string, e: unknown): void {
  const why = e instanceof ApiError && e.status === 403 && typeof e.attributes.privilege === 'string' ? `needs ${e.attributes.privilege}` : e instanceof ApiError || e instanceof NetworkError ? e.message : String(e);
  notifications.clean();
  notifications.show({ autoClose: false, closeButtonProps: CLOSE, message: <span role="alert">{what}: {why}</span> });
}
