"""What each family of devices says, one file each."""
