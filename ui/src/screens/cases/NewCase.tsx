import { Button, Modal, Select, TagsInput, Textarea, TextInput } from '@mantine/core';
import { useState } from 'react';
import { api } from '../../api/client';
import { queryClient } from '../../api/queries';
import type { Case } from '../../api/types';
import { useGo } from '../../kit/go';
import { toast, toastError } from '../../kit/toast';

export function NewCase({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const go = useGo();
  const [title, setTitle] = useState('');
  const [description, setDescription] = useState('');
  const [severity, setSeverity] = useState('low');
  const [tags, setTags] = useState<string[]>([]);
  const [busy, setBusy] = useState(false);
  const submit = async (): Promise<void> => {
    setBusy(true);
    try {
      const c = await api<Case>('/api/cases', { body: { title: title.trim(), description: description.trim() || title.trim(), tags, severity, owner: 'securitySolution', connector: { id: 'none', name: 'none', type: '.none', fields: null }, settings: { syncAlerts: true } } });
      void queryClient.invalidateQueries({ queryKey: ['cases'] });
      onClose();
      toast('Case opened');
      go(`/cases/${c.id}`);
    } catch (e) {
      toastError('Not opened', e);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Modal opened={opened} onClose={onClose} title="New case" size={520} closeButtonProps={{ 'aria-label': 'Close the dialog' }}>
      <form className="col" style={{ gap: 12 }} onSubmit={(e) => { e.preventDefault(); void submit(); }}>
        <TextInput data-autofocus label="Title" value={title} maxLength={160} onChange={(e) => setTitle(e.currentTarget.value)} />
        <Textarea label="Description" autosize minRows={3} maxRows={8} value={description} onChange={(e) => setDescription(e.currentTarget.value)} />
        <Select label="Severity" value={severity} onChange={(v) => setSeverity(v ?? 'low')} data={['low', 'medium', 'high', 'critical']} />
        <TagsInput label="Tags" value={tags} onChange={setTags} maxTags={200} />
        <div className="row"><Button type="submit" variant="filled" className="right" disabled={busy || !title.trim()}>Open the case</Button></div>
      </form>
    </Modal>
  );
}
