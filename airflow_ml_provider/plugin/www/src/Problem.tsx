import { Alert } from "@chakra-ui/react";

import type { AskError } from "./ask";

/** Why there is no answer, or none newer than what is shown. */
export function Problem({ error }: { readonly error: AskError }) {
  return (
    <Alert.Root role="alert" status="error">
      <Alert.Indicator />
      <Alert.Title>{error.message}</Alert.Title>
    </Alert.Root>
  );
}
