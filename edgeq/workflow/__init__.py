"""What calls several rooms: conversion as a whole, deployment, the search of `edgeq tune`."""
