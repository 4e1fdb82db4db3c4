/** The mark: a fire on two logs. */
export function Mark({ size = 22 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 24 24" aria-hidden style={{ flex: 'none' }}>
      <path d="M12 2c.6 3.400 4.600 5 4.600 9.200A4.600 4.600 0 0 1 12 16a4.600 4.600 0 0 1-4.600-4.800c0-1.700.8-2.700 1.600-3.600.2 1 .7 1.600 1.300 1.900C10 7 10.500 4.300 12 2z" fill="var(--high-solid)" />
      <path d="M3 18.200l18 3.300M21 18.200L3 21.500" stroke="var(--ink)" strokeWidth="2.200" strokeLinecap="round" />
    </svg>
  );
}
