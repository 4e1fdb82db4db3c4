// `?`: the keys that act now, the screen's own first.
import { Modal, Switch } from '@mantine/core';
import { useState } from 'react';
import { Kbd } from '../kit/bits';
import { allKeys, keysOn } from '../kit/keys';

export function KeysSheet({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const [on, setOn] = useState(keysOn());
  const layers = opened ? allKeys() : [];
  return (
    <Modal opened={opened} onClose={onClose} title="Keys" size={640} closeButtonProps={{ 'aria-label': 'Close' }}>
      <div style={{ columns: 2, columnGap: 32 }}>
        {layers.map((l) => (
          <section key={l.group} style={{ breakInside: 'avoid', marginBottom: 16 }}>
            <h3 className="tiny ink3" style={{ fontWeight: 500, marginBottom: 4 }}>{l.group}</h3>
            {l.defs.map((d) => (
              <div key={d.key} className="row" style={{ minHeight: 26 }}>
                <span className="grow">{d.label}</span>
                <span className="row" style={{ gap: 3 }}>{d.key.split(/[+ ]/).map((k, i) => <Kbd key={i}>{k.length === 1 ? k.toUpperCase() : k}</Kbd>)}<span className="visually-hidden">{d.key}</span></span>
              </div>
            ))}
          </section>
        ))}
      </div>
      <Switch checked={on} onChange={(e) => { setOn(e.currentTarget.checked); localStorage.setItem('watchfire.keys', e.currentTarget.checked ? 'on' : 'off'); }} label="Single-letter keys" description="Off when a screen reader's browse mode needs the letters" />
    </Modal>
  );
}
