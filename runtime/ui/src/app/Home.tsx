import { Navigate } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { useMe } from '@/api/me';
import { home } from './places';

/** `/ui` leads on to the first page of the reader's role. */
export function Home(): ReactNode {
  return <Navigate to={home(useMe())} replace />;
}
