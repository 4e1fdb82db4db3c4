// Links by plain paths: pages know addresses, not route objects.
import { Link, useNavigate, useRouter } from '@tanstack/react-router';
import type { ComponentProps, ReactNode } from 'react';

type Props = { to: string; search?: Record<string, string | undefined>; children?: ReactNode; className?: string } & Omit<ComponentProps<'a'>, 'href'>;
export function Go({ to, search, children, ...rest }: Props) {
  return <Link to={to as '/'} search={(search ?? {}) as never} {...(rest as object)}>{children}</Link>;
}
export function useGo(): (to: string, search?: Record<string, string | undefined>, replace?: boolean) => void {
  const navigate = useNavigate();
  return (to, search, replace = false) => void navigate({ to: to as '/', search: (search ?? {}) as never, replace });
}
export function useBack(): () => void {
  const r = useRouter();
  return () => r.history.back();
}
