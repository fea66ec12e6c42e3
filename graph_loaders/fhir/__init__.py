"""FHIR R4: files to resources, resources to statements about persons, statements to events."""
