// Who is signed in; what they may do; what the server announces.
import { useQuery } from '@tanstack/react-query';
import { q } from '../api/queries';
import type { Features, Me } from '../api/types';

export function useMe(): Me | undefined {
  return useQuery(q.me()).data;
}
export function useCan(): (privilege: string) => boolean {
  const me = useMe();
  return (p) => me !== undefined && (me.privileges.includes('*') || me.privileges.includes(p) || me.privileges.includes(`${p.split(':')[0]}:*`));
}
export function useFeature(f: keyof Features): boolean {
  return useMe()?.features[f] === true;
}
